package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// upstream is a real HTTP server behind a service; it notes what it was asked.
type upstream struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

type call struct {
	method, path string
	header       http.Header
	body         string
}

// startUpstream answers {"result": <the body>}.
func startUpstream(t testing.TB) *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller, or the server for it, broke off
		}
		u.mu.Lock()
		u.calls = append(u.calls, call{r.Method, r.URL.RequestURI(), r.Header.Clone(), string(body)})
		u.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"result":%s}`, body)
	}))
	t.Cleanup(u.Close)
	return u
}

// seen returns the calls so far.
func (u *upstream) seen() []call {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.calls)
}

// servicesSeed has two organizations: one with a service that asks for tokens,
// one that asks for none, and one in another environment, the other with one.
const servicesSeed = `
organizations:
  - id: acme
    name: Acme
    services:
      - {uuid: 12345678-1234-1234-1234-123456789abc, profile: my-profile, environment: production, name: Quotes, authType: oauth, upstream: "%[1]s/quotes?v=1"}
      - {uuid: 12345678-1234-1234-1234-00000000beef, profile: my-profile, environment: production, name: Open, authType: none, upstream: "%[1]s/open"}
      - {uuid: 12345678-1234-1234-1234-000000000de0, profile: my-profile, environment: development, name: Quotes, authType: oauth, upstream: "%[1]s/development"}
    applications:
      - {name: Manager, clientId: app_acme, clientSecretEnv: MANAGER_SECRET, scopes: ["services:read", "services:write", "applications:read", "applications:write", "tokens:introspect", "tokens:revoke"]}
  - id: globex
    name: Globex
    services:
      - {uuid: 12345678-1234-1234-1234-000000000b0e, profile: my-profile, environment: production, name: Theirs, authType: oauth, upstream: "%[1]s/theirs"}
    applications:
      - {name: Manager, clientId: app_globex, clientSecretEnv: MANAGER_SECRET, scopes: ["services:read", "services:write", "tokens:introspect"]}
`

var (
	quotes      = service{UUID: "12345678-1234-1234-1234-123456789abc", Profile: "my-profile", Environment: "production"}
	openService = service{UUID: "12345678-1234-1234-1234-00000000beef", Profile: "my-profile", Environment: "production"}
	development = service{UUID: "12345678-1234-1234-1234-000000000de0", Profile: "my-profile", Environment: "development"}
	theirs      = service{UUID: "12345678-1234-1234-1234-000000000b0e", Profile: "my-profile", Environment: "production"}
)

func startServices(t *testing.T) *server {
	t.Helper()
	s, _ := startServicesOn(t, startUpstream(t))
	return s
}

func startServicesOn(t *testing.T, u *upstream) (*server, *upstream) {
	t.Helper()
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", fmt.Sprintf(servicesSeed, u.URL)))
	s.env = []string{"MANAGER_SECRET=" + managerSecret}
	s.start()
	return s, u
}

// serviceForm is the seed's request, with values replaced (empty: left out).
func serviceForm(v service, a application, replace ...string) []string {
	values := []string{
		"grant_type", "client_credentials", "client_id", a.ClientID, "client_secret", a.ClientSecret,
		"profile", v.Profile, "environment", v.Environment, "service_uuid", v.UUID,
	}
	for i := 0; i < len(replace); i += 2 {
		at := slices.Index(values, replace[i])
		if replace[i+1] == "" {
			values = slices.Delete(values, at, at+2)
		} else {
			values[at+1] = replace[i+1]
		}
	}
	return values
}

func (s *server) serviceToken(v service, a application) string {
	s.t.Helper()
	return as[tokenResponse](s.form("/oauth/token", serviceForm(v, a)).ok()).AccessToken
}

// post calls a service.
func (s *server) post(v service, body string, opts ...option) answer {
	s.t.Helper()
	return s.do(http.MethodPost, v.call(), "application/json", body, opts...)
}

// The seed, to the letter: its request, its answer, its token, its call.
func TestServiceTokenAndCall(t *testing.T) {
	t.Parallel()
	s, u := startServicesOn(t, startUpstream(t))
	credential := s.addCredential(s.tenant("acme"), quotes)
	before := time.Now().Unix()
	a := s.form("/oauth/token", serviceForm(quotes, credential)).ok().has("Cache-Control", "no-store").has("Pragma", "no-cache")
	got := as[tokenResponse](a)
	if got.TokenType != "Bearer" || got.ExpiresIn != 3600 || got.Scope != "service:call" {
		t.Errorf("%s", a.body)
	}
	head, claims := decode(t, got.AccessToken)
	if head["alg"] != "RS256" || head["typ"] != "JWT" || head["kid"] == "" || len(head) != 3 {
		t.Errorf("header %v", head)
	}
	iat, exp := int64(claims["iat"].(float64)), int64(claims["exp"].(float64))
	if exp-iat != 3600 || iat < before || iat > time.Now().Unix() {
		t.Errorf("iat %d, exp %d", iat, exp)
	}
	want := map[string]any{"service_uuid": quotes.UUID, "profile": "my-profile", "environment": "production"}
	if fmt.Sprint(claims["data"]) != fmt.Sprint(want) || claims["scope"] != "service:call" || claims["jti"] == "" || len(claims) != 5 {
		t.Errorf("claims %v", claims)
	}

	s.post(quotes, `{"data": "value"}`, bearer(got.AccessToken), header("X-Custom", "kept")).
		exactly(http.StatusOK, `{"result":{"data": "value"}}`).has("Content-Type", "application/json")
	calls := u.seen()
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	c := calls[0]
	if c.method != http.MethodPost || c.path != "/quotes?v=1" || c.body != `{"data": "value"}` {
		t.Errorf("%+v", c)
	}
	for name, want := range map[string]string{
		"Authorization": "", "X-Custom": "kept", "Content-Type": "application/json", "X-Auth-Client-Id": credential.ClientID, "X-Auth-Organization-Id": "acme",
		"X-Auth-Scope": "service:call", "X-Auth-Token-Id": claims["jti"].(string), "X-Auth-Application-Id": "",
	} {
		if got := c.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	// client_secret_basic does too.
	basicForm := serviceForm(quotes, credential, "client_id", "", "client_secret", "")
	s.post(quotes, `{}`, bearer(as[tokenResponse](s.form("/oauth/token", basicForm, basic(credential)).ok()).AccessToken)).ok()
}

// The seed's error table, to the letter, in a body of both forms.
func TestServiceTokenErrors(t *testing.T) {
	t.Parallel()
	s := startServices(t)
	acme, globex := s.tenant("acme"), s.tenant("globex")
	credential, other := s.addCredential(acme, quotes), s.addCredential(acme, development)
	unused, foreign := s.addCredential(acme, openService), s.addCredential(globex, theirs)
	removed := s.addCredential(acme, quotes)
	s.do(http.MethodDelete, quotes.path("credentials", removed.ClientID), "", "", bearer(acme)).want(http.StatusNoContent)
	app := s.create(acme)
	wrong := credential
	wrong.ClientSecret = credential.ClientSecret[:len(credential.ClientSecret)-1]

	const (
		missing     = `{"error":"invalid_request","error_description":"Missing required parameters","code":400,"message":"Missing required parameters"}`
		unsupported = `{"error":"unsupported_grant_type","error_description":"Only client_credentials grant type is supported","code":400,"message":"Only client_credentials grant type is supported"}`
		invalid     = `{"error":"invalid_client","error_description":"Invalid client credentials","code":401,"message":"Invalid client credentials"}`
	)
	position := s.position()
	for _, c := range []struct {
		name   string
		form   []string
		status int
		body   string
	}{
		{"no grant_type", serviceForm(quotes, credential, "grant_type", ""), 400, missing},
		{"no client_id", serviceForm(quotes, credential, "client_id", ""), 400, missing},
		{"no client_secret", serviceForm(quotes, credential, "client_secret", ""), 400, missing},
		{"no profile", serviceForm(quotes, credential, "profile", ""), 400, missing},
		{"no environment", serviceForm(quotes, credential, "environment", ""), 400, missing},
		{"no service_uuid", serviceForm(quotes, credential, "service_uuid", ""), 400, missing},
		{"a credential alone", serviceForm(quotes, credential, "profile", "", "environment", "", "service_uuid", ""), 400, missing},
		{"a service alone", serviceForm(quotes, credential, "client_id", "", "client_secret", ""), 400, missing},
		{"unknown profile", serviceForm(quotes, credential, "profile", "other"), 400, missing},
		{"unknown environment", serviceForm(quotes, credential, "environment", "staging"), 400, missing},
		{"environment of another service", serviceForm(quotes, credential, "environment", "development"), 400, missing},
		{"unknown service", serviceForm(quotes, credential, "service_uuid", "12345678-1234-1234-1234-123456789abd"), 400, missing},
		{"no uuid", serviceForm(quotes, credential, "service_uuid", "x"), 400, missing},
		{"other case", serviceForm(quotes, credential, "service_uuid", strings.ToUpper(quotes.UUID)), 400, missing},
		{"authType none", serviceForm(openService, unused), 400, missing},
		{"authType none, other credential", serviceForm(openService, credential), 400, missing},
		{"another organization's service", serviceForm(theirs, credential), 400, missing},
		{"password", serviceForm(quotes, credential, "grant_type", "password"), 400, unsupported},
		{"unknown grant", serviceForm(quotes, credential, "grant_type", "x"), 400, unsupported},
		{"unknown grant of an application", serviceForm(quotes, app, "grant_type", "x"), 400, unsupported},
		{"unknown client_id", serviceForm(quotes, application{ClientID: "svc_0123456789abcdef", ClientSecret: "x"}), 401, invalid},
		{"wrong secret", serviceForm(quotes, wrong), 401, invalid},
		{"wrong secret, unknown service", serviceForm(service{UUID: "x", Profile: "x", Environment: "x"}, wrong), 401, invalid},
		{"removed credential", serviceForm(quotes, removed), 401, invalid},
		{"credential of another service", serviceForm(quotes, other), 401, invalid},
		{"an application", serviceForm(quotes, app), 401, invalid},
		{"another organization's credential", serviceForm(quotes, foreign), 400, missing},
	} {
		a := s.form("/oauth/token", c.form)
		if got := strings.TrimSpace(string(a.body)); a.status != c.status || got != c.body {
			t.Errorf("%s: %d %s", c.name, a.status, got)
		}
		if c.status == http.StatusUnauthorized && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic realm=") {
			t.Errorf("%s: WWW-Authenticate %q", c.name, a.header.Get("WWW-Authenticate"))
		}
	}
	s.form("/oauth/token", append(serviceForm(quotes, credential), "scope", "read:customers")).want(http.StatusBadRequest)
	s.form("/oauth/token", append(serviceForm(quotes, credential), "service_uuid", quotes.UUID)).want(http.StatusBadRequest)
	s.form("/oauth/token", serviceForm(quotes, credential), basic(credential)).want(http.StatusBadRequest)
	if now := s.position(); now != position {
		t.Errorf("refused requests moved the log from %d to %d", position, now)
	}
	s.form("/oauth/token", append(serviceForm(quotes, credential), "scope", "service:call")).ok()
	s.requestToken(app, "profile", "").ok() // a parameter without a value is none
}

// Section 2's endpoints know service tokens and credentials.
func TestServiceTokenAtOtherEndpoints(t *testing.T) {
	t.Parallel()
	s := startServices(t)
	acme, globex := s.tenant("acme"), s.tenant("globex")
	credential, other := s.addCredential(acme, quotes), s.addCredential(acme, quotes)
	foreign := s.addCredential(globex, theirs)
	token := s.serviceToken(quotes, credential)

	// Introspection: the token's own claims, to clients of the organization.
	_, claims := decode(t, token)
	for name, opt := range map[string]option{"itself": basic(credential), "a sibling": basic(other), "the manager": bearer(acme)} {
		got := as[map[string]any](s.form("/oauth/introspect", []string{"token", token}, opt).ok())
		if got["active"] != true || fmt.Sprint(got["data"]) != fmt.Sprint(claims["data"]) || got["scope"] != "service:call" {
			t.Errorf("%s: %v", name, got)
		}
	}
	s.form("/oauth/introspect", []string{"token", token}, basic(foreign)).exactly(http.StatusOK, inactive)
	s.form("/oauth/introspect", []string{"token", token}, bearer(globex)).exactly(http.StatusOK, inactive)
	s.form("/oauth/introspect", []string{"token", token, "client_id", other.ClientID}).want(http.StatusUnauthorized)

	// It opens nothing but its service.
	for _, path := range []string{"/oauth/services", "/oauth/applications", quotes.path()} {
		s.get(path, bearer(token)).exactly(http.StatusForbidden, flat(403, "Insufficient scope for this endpoint"))
	}

	// Revocation: by its own client only.
	for name, stranger := range map[string]application{"a sibling": other, "another organization": foreign} {
		if a := s.form("/oauth/revoke", []string{"token", token}, basic(stranger)); a.status < 400 || a.status >= 500 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	s.live(credential, token)
	s.form("/oauth/revoke", []string{"token", token}, basic(credential)).ok()
	s.dead(credential, token)
	s.post(quotes, "{}", bearer(token)).exactly(http.StatusUnauthorized, flat(401, "Token revoked"))
	jti, _ := decodeClaim(t, s.serviceToken(quotes, credential), "jti")
	s.do(http.MethodDelete, "/oauth/tokens/"+jti, "", "", bearer(acme)).want(http.StatusNoContent)

	// Throttling: as of any client.
	wrong := credential
	wrong.ClientSecret += "x"
	for range 10 {
		s.form("/oauth/token", serviceForm(quotes, wrong)).want(http.StatusUnauthorized)
	}
	s.form("/oauth/token", serviceForm(quotes, credential)).want(http.StatusTooManyRequests)
	s.form("/oauth/token", serviceForm(quotes, other)).ok()
}

func decodeClaim(t testing.TB, token, name string) (string, map[string]any) {
	t.Helper()
	_, claims := decode(t, token)
	value, _ := claims[name].(string)
	return value, claims
}

// Section 5: a token for another service, a revoked or unknown one does not
// reach the upstream.
func TestServiceCallRefusals(t *testing.T) {
	t.Parallel()
	s, u := startServicesOn(t, startUpstream(t))
	acme, globex := s.tenant("acme"), s.tenant("globex")
	token := s.serviceToken(quotes, s.addCredential(acme, quotes))
	other := s.serviceToken(development, s.addCredential(acme, development))
	foreign := s.serviceToken(theirs, s.addCredential(globex, theirs))
	elsewhere := quotes
	elsewhere.Environment = "development"
	unknown := service{UUID: "12345678-1234-1234-1234-123456789abd", Profile: "my-profile", Environment: "production"}

	insufficient := flat(403, "Insufficient scope for this endpoint")
	s.post(quotes, "{}", bearer(other)).exactly(http.StatusForbidden, insufficient)
	s.post(quotes, "{}", bearer(s.token(s.create(acme)))).exactly(http.StatusForbidden, insufficient)
	s.post(quotes, "{}", bearer(foreign)).exactly(http.StatusNotFound, flat(404, "Not found"))
	s.post(elsewhere, "{}", bearer(token)).exactly(http.StatusNotFound, flat(404, "Not found"))
	s.post(unknown, "{}", bearer(token)).exactly(http.StatusNotFound, flat(404, "Not found"))
	s.post(quotes, "{}", bearer(token+"x")).exactly(http.StatusUnauthorized, flat(401, "Invalid token"))
	s.post(quotes, "{}", bearer(token), bearer(token)).want(http.StatusBadRequest)
	// Without a token nobody learns which services exist.
	for _, v := range []service{quotes, elsewhere, unknown, theirs} {
		s.post(v, "{}").exactly(http.StatusUnauthorized, flat(401, "Missing access token")).has("WWW-Authenticate", `Bearer realm="grantlog"`)
	}
	s.do(http.MethodPost, quotes.call()+"?access_token="+token, "application/json", "{}").want(http.StatusUnauthorized)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodHead} {
		s.do(method, quotes.call(), "", "", bearer(token), undescribed).want(http.StatusMethodNotAllowed)
	}
	for _, path := range []string{
		"/service/my-profile/production/json/", "/service/my-profile/production/" + quotes.UUID, "/service/my-profile/production/xml/" + quotes.UUID,
		"/service/my-profile/production/json/" + quotes.UUID + "/more", "/service/my-profile/production/json/..%2f" + quotes.UUID, "/service//production/json/" + quotes.UUID,
	} {
		if a := s.do(http.MethodPost, path, "application/json", "{}", bearer(token), undescribed); a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if calls := u.seen(); len(calls) != 0 {
		t.Errorf("the upstream saw %+v", calls)
	}
	s.post(quotes, "{}", bearer(token)).ok()
}

// Section 5: a service with authType none is anybody's to call, and nobody is
// named to its upstream.
func TestOpenService(t *testing.T) {
	t.Parallel()
	s, u := startServicesOn(t, startUpstream(t))
	s.post(openService, `1`).exactly(http.StatusOK, `{"result":1}`)
	s.post(openService, `2`, bearer("nonsense"), header("X-Auth-Client-Id", "forged"), header("x_auth_scope", "forged"), header("Cookie", "a=b")).ok()
	for _, c := range u.seen() {
		for name := range c.header {
			if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-auth") || strings.HasPrefix(lower, "x_auth") || lower == "authorization" || lower == "cookie" {
				t.Errorf("the upstream was told %s", name)
			}
		}
	}
	elsewhere := openService
	elsewhere.Profile = "other"
	s.post(elsewhere, `3`).want(http.StatusUnauthorized)
}

// Section 5: deleting a credential or a service, or turning authType off, ends
// its tokens at once, here and after a restart, and nothing revives them.
func TestServiceEndings(t *testing.T) {
	t.Parallel()
	s := startServices(t)
	acme := s.tenant("acme")
	first, second := s.addCredential(acme, quotes), s.addCredential(acme, quotes)
	third := s.addCredential(acme, development)
	one, two, three := s.serviceToken(quotes, first), s.serviceToken(quotes, second), s.serviceToken(development, third)
	refused := func(v service, token string, want int) {
		t.Helper()
		s.post(v, "{}", bearer(token)).want(want)
		if as[introspection](s.form("/oauth/introspect", []string{"token", token}, bearer(acme)).ok()).Active {
			t.Error("still active")
		}
	}
	s.do(http.MethodDelete, quotes.path("credentials", first.ClientID), "", "", bearer(acme)).want(http.StatusNoContent)
	refused(quotes, one, http.StatusUnauthorized)
	s.post(quotes, "{}", bearer(two)).ok()
	s.restart()
	acme = s.tenant("acme")
	refused(quotes, one, http.StatusUnauthorized)
	s.post(quotes, "{}", bearer(two)).ok()

	s.json(http.MethodPut, quotes.path(), settings{"authType": "none"}, bearer(acme)).ok()
	s.post(quotes, "{}").ok()
	if as[introspection](s.form("/oauth/introspect", []string{"token", two}, bearer(acme)).ok()).Active {
		t.Error("the token outlived authentication")
	}
	s.form("/oauth/token", serviceForm(quotes, second)).want(http.StatusBadRequest)
	s.json(http.MethodPut, quotes.path(), settings{"authType": "oauth"}, bearer(acme)).ok()
	refused(quotes, two, http.StatusUnauthorized)
	again := s.serviceToken(quotes, second)
	s.post(quotes, "{}", bearer(again)).ok()

	s.do(http.MethodDelete, development.path(), "", "", bearer(acme)).want(http.StatusNoContent)
	refused(development, three, http.StatusUnauthorized)
	s.form("/oauth/token", serviceForm(development, third)).want(http.StatusUnauthorized)

	s.kill()
	s.start()
	acme = s.tenant("acme")
	refused(quotes, one, http.StatusUnauthorized)
	refused(quotes, two, http.StatusUnauthorized)
	refused(development, three, http.StatusUnauthorized)
	s.post(quotes, "{}", bearer(again)).ok()
	// The seed file does not bring the deleted one back.
	s.get(development.path(), bearer(acme)).want(http.StatusNotFound)
	if !strings.Contains(s.out.String(), "a seeded service was deleted and stays so") {
		t.Error("the log file does not say so")
	}
}

// Section 1: what the seed file says of services is applied once, and again
// where the log came to differ.
func TestSeededServices(t *testing.T) {
	t.Parallel()
	s := startServices(t)
	acme := s.tenant("acme")
	got := as[service](s.get(quotes.path(), bearer(acme)).ok())
	if got.Name != "Quotes" || got.AuthType != "oauth" || !got.Private || got.OrganizationID != "acme" {
		t.Errorf("%+v", got)
	}
	etag := s.get(quotes.path(), bearer(acme)).header.Get("ETag")
	s.restart()
	acme = s.tenant("acme")
	if again := s.get(quotes.path(), bearer(acme)).ok().header.Get("ETag"); again != etag {
		t.Errorf("ETag %s, was %s", again, etag)
	}
	s.json(http.MethodPut, quotes.path(), settings{"name": "Changed", "authType": "none"}, bearer(acme)).ok()
	s.json(http.MethodPut, openService.path(), settings{"authType": "oauth"}, bearer(acme)).ok()
	s.restart()
	acme = s.tenant("acme")
	if again := as[service](s.get(quotes.path(), bearer(acme)).ok()); again.Name != "Quotes" || again.AuthType != "oauth" {
		t.Errorf("%+v", again)
	}
	if again := as[service](s.get(openService.path(), bearer(acme)).ok()); again.AuthType != "none" {
		t.Errorf("%+v", again)
	}
}

// SECURITY.md: an upstream that was not the operator's choice is on a public
// address; a dead one is 502, and a body has a bound.
func TestServiceUpstreams(t *testing.T) {
	t.Parallel()
	s, u := startServicesOn(t, startUpstream(t))
	acme, admin := s.tenant("acme"), s.admin()
	_, port, err := net.SplitHostPort(u.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	v := s.createService(acme, settings{"authType": "none"})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"} {
		private := settings{"upstream": "http://" + host + ":" + port}
		s.json(http.MethodPut, v.path(), private, bearer(acme)).want(http.StatusBadRequest)
		private["private"] = true
		s.json(http.MethodPut, v.path(), private, bearer(acme)).want(http.StatusForbidden)
	}
	set := func(upstream string) {
		t.Helper()
		s.json(http.MethodPut, v.path()+"?organization=acme", settings{"private": true, "upstream": upstream}, bearer(admin)).ok()
	}
	set(u.URL)
	s.post(v, `1`).exactly(http.StatusOK, `{"result":1}`)
	set("http://" + freeAddress(t))
	s.post(v, "{}").exactly(http.StatusBadGateway, flat(502, "The upstream failed"))

	seen := len(u.seen())
	for _, opts := range [][]option{nil, {chunked}} {
		s.post(openService, strings.Repeat(" ", 11<<20), opts...).want(http.StatusRequestEntityTooLarge)
	}
	if calls := u.seen(); len(calls) > seen {
		t.Errorf("the upstream read a body of %d bytes", len(calls[seen].body))
	}
}
