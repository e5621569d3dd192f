package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

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
