package main_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// protocolError is the body of an OAuth endpoint's error: both forms.
type protocolError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Code        int    `json:"code"`
	Message     string `json:"message"`
}

// flatError is the body of every other error.
type flatError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func flat(code int, message string) string {
	return fmt.Sprintf(`{"code":%d,"message":%q}`, code, message)
}

// Section 2: the wrong-secret answer, to the letter.
func TestInvalidClientToTheLetter(t *testing.T) {
	t.Parallel()
	s := start(t)
	const want = `{"error":"invalid_client","error_description":"Invalid client credentials","code":401,"message":"Invalid client credentials"}`
	app := s.create(s.admin())
	wrong := app
	wrong.ClientSecret = app.ClientSecret[:len(app.ClientSecret)-1]
	for _, path := range []string{"/oauth/token", "/oauth/introspect", "/oauth/revoke"} {
		pairs := []string{"grant_type", "client_credentials", "token", "x"}
		for name, a := range map[string]answer{
			"wrong secret":   s.form(path, pairs, basic(wrong)),
			"unknown client": s.form(path, pairs, basic(application{ClientID: "app_nobody", ClientSecret: "secret"})),
			"no client":      s.form(path, pairs),
			"by post":        s.form(path, append(pairs, "client_id", wrong.ClientID, "client_secret", wrong.ClientSecret)),
		} {
			a.exactly(http.StatusUnauthorized, want).has("Cache-Control", "no-store").has("Pragma", "no-cache")
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic realm=") {
				t.Errorf("%s, %s: WWW-Authenticate %q", path, name, a.header.Get("WWW-Authenticate"))
			}
		}
	}
}

// Section 3: management errors are flat, in the seed's words; RFC 6750 section
// 3: the challenge names the error, but not to who sent no token at all.
func TestManagementErrorsToTheLetter(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	token := s.token(app)

	a := s.get("/oauth/applications", bearer(token)).exactly(http.StatusForbidden, flat(403, "Insufficient scope for this endpoint"))
	if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="insufficient_scope"`) {
		t.Errorf("WWW-Authenticate %q", challenge)
	}
	s.form("/oauth/revoke", []string{"token", token}, basic(app)).ok()
	a = s.get("/oauth/applications", bearer(token)).exactly(http.StatusUnauthorized, flat(401, "Token revoked"))
	if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="invalid_token"`) {
		t.Errorf("WWW-Authenticate %q", challenge)
	}
	a = s.get("/oauth/applications").want(http.StatusUnauthorized)
	if challenge := a.header.Get("WWW-Authenticate"); challenge != `Bearer realm="grantlog"` {
		t.Errorf("WWW-Authenticate %q", challenge)
	}
	for _, bad := range []string{"x", "a.b.c", token + "x", strings.Repeat("a", 9000), admin + "." + admin} {
		s.get("/oauth/applications", bearer(bad)).want(http.StatusUnauthorized)
	}
	s.get("/oauth/applications?access_token=" + admin).want(http.StatusUnauthorized)
	s.get("/oauth/applications", bearer(admin), bearer(admin)).want(http.StatusBadRequest)
	s.get("/oauth/applications", rawBasic(app.ClientID+":"+app.ClientSecret)).want(http.StatusUnauthorized)
	s.get("/oauth/applications/none", bearer(admin)).want(http.StatusNotFound)
	if got := as[flatError](s.get("/oauth/applications/none", bearer(admin))); got.Code != 404 || got.Message == "" {
		t.Errorf("%+v", got)
	}
}

// Section 2: the errors of the token endpoint by their RFC 6749 codes.
func TestTokenErrors(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	position := s.position()
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"no grant_type", "scope=read", 400, "invalid_request"},
		{"empty grant_type", "grant_type=", 400, "invalid_request"},
		{"unknown grant", "grant_type=urn:x", 400, "unsupported_grant_type"},
		{"a grant of later", "grant_type=authorization_code&code=x", 400, "unsupported_grant_type"},
		{"repeated grant_type", "grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"},
		{"repeated scope", "grant_type=client_credentials&scope=read:customers&scope=read:customers", 400, "invalid_request"},
		{"repeated unknown", "grant_type=client_credentials&x=1&x=2", 400, "invalid_request"},
		{"repeated in encodings", "grant_type=client_credentials&sc%6fpe=read:customers&scope=read:customers", 400, "invalid_request"},
		{"repeated without value", "grant_type=client_credentials&scope&scope=", 400, "invalid_request"},
		{"broken escape", "grant_type=client_credentials&x=%zz", 400, "invalid_request"},
		{"NUL", "grant_type=client_credentials%00", 400, "invalid_request"},
		{"invalid UTF-8", "grant_type=client_credentials&x=%ff", 400, "invalid_request"},
		{"empty body", "", 400, "invalid_request"},
		{"many parameters", "grant_type=client_credentials" + manyParameters(1000), 400, "invalid_request"},
	} {
		a := s.do(http.MethodPost, "/oauth/token", formType, c.body, basic(app))
		got := as[protocolError](a)
		if a.status != c.status || got.Error != c.code || got.Code != c.status || got.Message != got.Description {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	s.do(http.MethodPost, "/oauth/token?client_secret=x", formType, "grant_type=client_credentials", basic(app)).want(http.StatusBadRequest)
	if now := s.position(); now != position {
		t.Errorf("refused requests moved the log from %d to %d", position, now)
	}
}

func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&p%d=1", i)
	}
	return b.String()
}

// Section 2: another type is 415, over 64 KiB is 413, exactly 64 KiB is read.
func TestBodiesOfOAuthEndpoints(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	const good = "grant_type=client_credentials&token=x&pad="
	for _, path := range []string{"/oauth/token", "/oauth/introspect", "/oauth/revoke"} {
		for _, contentType := range []string{"", "application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded, text/plain", "application/x-www-form-urlencodedx", ";;"} {
			s.do(http.MethodPost, path, contentType, good, basic(app)).want(http.StatusUnsupportedMediaType)
		}
		for _, contentType := range []string{formType, formType + "; charset=UTF-8", "Application/X-WWW-Form-Urlencoded"} {
			s.do(http.MethodPost, path, contentType, good, basic(app)).ok()
		}
		s.do(http.MethodPost, path, formType, good+strings.Repeat("a", 64<<10-len(good)), basic(app)).ok()
		s.do(http.MethodPost, path, formType, good+strings.Repeat("a", 64<<10-len(good)+1), basic(app)).want(http.StatusRequestEntityTooLarge)
		s.do(http.MethodPost, path, formType, good+strings.Repeat("a", 4<<20), basic(app), chunked).want(http.StatusRequestEntityTooLarge)
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead} {
			s.do(method, path, formType, good, basic(app), undescribed).want(http.StatusMethodNotAllowed)
		}
	}
}

// HEAD asks for everything that GET gives (RFC 9110 section 9.1), with the same
// status and header and no body; nothing else, and no stream.
func TestHead(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	head := func(path string, opts ...option) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodHead, s.issuer()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range opts {
			o(r)
		}
		resp, err := (&http.Client{Transport: s.base, Timeout: patience}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	for _, path := range []string{
		"/healthz", "/readyz", "/openapi.json", "/oauth/jwks", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration",
		"/oauth/applications", app.path(), app.path("tokens"), "/oauth/organizations/default", "/oauth/events", "/oauth/revocations",
	} {
		resp, body := head(path, bearer(admin))
		if got := s.get(path, bearer(admin)).ok(); resp.StatusCode != http.StatusOK || body != "" || resp.Header.Get("Content-Type") != got.header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d %v %q", path, resp.StatusCode, resp.Header, body)
		}
	}
	for path, want := range map[string]int{
		"/oauth/applications": http.StatusUnauthorized, "/oauth/applications/none": http.StatusUnauthorized, "/oauth/token": http.StatusMethodNotAllowed,
		"/oauth/events/stream": http.StatusMethodNotAllowed, "/nowhere": http.StatusNotFound,
	} {
		if resp, body := head(path); resp.StatusCode != want || body != "" {
			t.Errorf("HEAD %s: %d %q, want %d", path, resp.StatusCode, body, want)
		}
	}
	if resp, _ := head("/oauth/applications/none", bearer(admin)); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an application that is not there: %d", resp.StatusCode)
	}
}

// chunked leaves the length of the body unsaid.
func chunked(r *http.Request) { r.ContentLength = -1 }

// Unknown paths are 404 without a hint at what exists.
func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{"/", "/oauth", "/oauth/", "/oauth/token/", "/oauth/tokenx", "/oauth/authorize", "/.well-known/", "/admin", "/debug/pprof/", "/metrics", "/oauth/applications/x/y", "/favicon.ico"} {
		got := as[flatError](s.get(path, undescribed).want(http.StatusNotFound))
		if got.Code != 404 || got.Message == "" {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
