package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// strange are values that no identifier, name or credential has.
var strange = []string{
	"", " ", ".", "..", "../../etc/passwd", "*", ">", "a.>", "$JS.API.STREAM.PURGE.GRANTLOG", "_INBOX.x", "a b", "a\tb", "a\r\nX: y", "\x00", "a\x00b",
	"\xff\xfe", "é", "\u202e", "%", "%00", "%2e%2e%2f", "'; DROP TABLE x;--", "<script>alert(1)</script>", "${jndi:ldap://x}", "{{7*7}}",
	"null", "true", "-1", "0", "9223372036854775808", "1e400", "1.5", "NaN", strings.Repeat("a", 10_000), strings.Repeat("é", 5000), strings.Repeat("../", 2000),
}

// bodies are no JSON objects that any endpoint takes.
var badJSON = []string{
	``, ` `, `null`, `true`, `0`, `""`, `[]`, `[{}]`, `{`, `}`, `{"name"`, `{"name":}`, `{"name":"x",}`, `{"name":"x"}{}`, `{"name":"x"} x`, `{'name':'x'}`,
	`{"name":"x","name":"y","scopes":[]}`, `{"name":"x","Name":"y","scopes":[]}`, `{"NAME":"x","scopes":[]}`, `{"name":"x","scopes":[],"unknown":1}`,
	`{"name":"x","scopes":null}`, `{"name":null,"scopes":[]}`, `{"name":1,"scopes":[]}`, `{"name":["x"],"scopes":[]}`, `{"name":{},"scopes":[]}`,
	`{"name":"","scopes":[]}`, `{"name":"   ","scopes":[]}`, `{"name":"a\u0000b","scopes":[]}`, `{"name":"a\nb","scopes":[]}`, "{\"name\":\"\xff\",\"scopes\":[]}", `{"name":"\ud800","scopes":[]}`,
	`{"name":"x","scopes":"read"}`, `{"name":"x","scopes":{"0":"read"}}`, `{"name":"x","scopes":[1]}`, `{"name":"x","scopes":[null]}`, `{"name":"x","scopes":[["a"]]}`,
	`{"name":"x","scopes":["a b"]}`, `{"name":"x","scopes":[""]}`, `{"name":"x","scopes":["a","a"]}`, `{"name":"x","scopes":["a\\"]}`, `{"name":"x","scopes":["é"]}`,
	`{"name":"x","scopes":[],"tokenLifetime":-1}`, `{"name":"x","scopes":[],"tokenLifetime":0}`, `{"name":"x","scopes":[],"tokenLifetime":59}`, `{"name":"x","scopes":[],"tokenLifetime":86401}`,
	`{"name":"x","scopes":[],"tokenLifetime":9223372036854775808}`, `{"name":"x","scopes":[],"tokenLifetime":1.5}`, `{"name":"x","scopes":[],"tokenLifetime":"x"}`, `{"name":"x","scopes":[],"tokenLifetime":1e400}`,
	`{"name":"x","scopes":[],"signingAlg":"none"}`, `{"name":"x","scopes":[],"signingAlg":"HS256"}`, `{"name":"x","scopes":[],"signingAlg":"es256"}`, `{"name":"x","scopes":[],"signingAlg":""}`,
	`{"name":"x","scopes":[],"grantTypes":["implicit"]}`, `{"name":"x","scopes":[],"grantTypes":["client_credentials","client_credentials"]}`, `{"name":"x","scopes":[],"limits":{"perMinute":-1}}`,
	`{"name":"x","scopes":[],"limits":{"perSecond":1}}`, `{"name":"x","scopes":[],"limits":[]}`, `{"name":"x","scopes":[],"public":"yes"}`,
	`{"name":"x","scopes":[],"id":"a_mine"}`, `{"name":"x","scopes":[],"clientId":"app_mine"}`, `{"name":"x","scopes":[],"organizationId":"acme"}`, `{"name":"x","scopes":[],"clientSecret":"mine"}`,
	`{"name":"x","scopes":[],"redirectUris":["https://user@shop.example/"]}`, `{"name":"x","scopes":[],"redirectUris":["https://shop.example/#f"]}`, `{"name":"x","scopes":[],"redirectUris":["https:\\\\shop.example"]}`,
	`{"name":"x","scopes":[],"redirectUris":["javascript:alert(1)"]}`, `{"name":"x","scopes":[],"redirectUris":["//shop.example"]}`, `{"name":"x","scopes":[],"redirectUris":["http://shop.example/"]}`, `{"name":"x","scopes":[],"redirectUris":[""]}`,
	`{"name":"` + strings.Repeat("a", 10_000) + `","scopes":[]}`, `{"name":"x","scopes":[` + strings.TrimSuffix(strings.Repeat(`"a",`, 5000), ",") + `]}`,
	strings.Repeat(`[`, 10_000), strings.Repeat(`{"a":`, 10_000), `{"name":` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000) + `}`,
	"\ufeff" + `{"name":"x","scopes":[]}`, `{"name":"x","scopes":[]}` + "\x00",
}

// SECURITY.md "Bad input": JSON endpoints answer 4xx and write nothing.
func TestBadJSON(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	before := s.get(app.path(), bearer(admin)).ok()
	position := s.position()
	for _, body := range badJSON {
		for _, to := range []struct{ method, path string }{{http.MethodPost, "/oauth/applications"}, {http.MethodPut, app.path()}} {
			s.refused(to.method+" "+body, s.do(to.method, to.path, "application/json", body, bearer(admin)))
		}
		if body != `` {
			s.refused("secret "+body, s.do(http.MethodPost, app.path("regenerate-secret"), "application/json", body, bearer(admin)))
			s.refused("rotate "+body, s.do(http.MethodPost, "/oauth/keys/rotate", "application/json", body, bearer(admin)))
			s.refused("organization "+body, s.do(http.MethodPost, "/oauth/organizations", "application/json", body, bearer(admin)))
		}
	}
	good := `{"name":"x","scopes":[]}`
	for _, contentType := range []string{"", "text/plain", formType, "application/jsonx", "text/json", "application/json, text/plain", "application/xml"} {
		s.do(http.MethodPost, "/oauth/applications", contentType, good, bearer(admin)).want(http.StatusUnsupportedMediaType)
	}
	s.do(http.MethodPost, "/oauth/applications", "application/json", `{"name":"`+strings.Repeat("a", 70_000)+`"}`, bearer(admin)).want(http.StatusRequestEntityTooLarge)
	s.do(http.MethodPost, "/oauth/applications", "application/json", strings.Repeat(" ", 4<<20), bearer(admin), chunked).want(http.StatusRequestEntityTooLarge)
	if now := s.position(); now != position {
		t.Errorf("refused requests moved the log from %d to %d", position, now)
	}
	s.get(app.path(), bearer(admin)).exactly(http.StatusOK, strings.TrimSpace(string(before.body)))
}

// refused checks what any bad request gets: a 4xx that shows nothing of the
// inside.
func (s *server) refused(what string, a answer) {
	s.t.Helper()
	if a.status < 400 || a.status >= 500 {
		s.t.Errorf("%.120q: %d %.300s", what, a.status, a.body)
	}
	for _, inside := range []string{"goroutine", ".go:", "github.com", "runtime error", "panic", "json:", "strconv", "nats:", "<script>", "root:"} {
		if strings.Contains(string(a.body), inside) {
			s.t.Errorf("%.120q: the answer shows %q: %.300s", what, inside, a.body)
		}
	}
}

// Every place for an id, a query parameter or a form value gets every strange
// value.
func TestStrangeValues(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	position := s.position()
	for _, v := range strange {
		segment := url.PathEscape(v)
		if v != "" && v != "." && v != ".." { // these are other paths
			for _, to := range []struct{ method, path string }{
				{http.MethodGet, "/oauth/applications/" + segment}, {http.MethodDelete, "/oauth/applications/" + segment},
				{http.MethodGet, "/oauth/applications/" + segment + "/tokens"}, {http.MethodPost, "/oauth/applications/" + segment + "/revoke-tokens"},
				{http.MethodPost, "/oauth/applications/" + segment + "/regenerate-secret"}, {http.MethodDelete, "/oauth/tokens/" + segment},
			} {
				s.refused(to.method+" "+to.path, s.do(to.method, to.path, "", "", bearer(admin), undescribed))
			}
			s.refused("organization", s.get("/oauth/applications?organization="+url.QueryEscape(v), bearer(admin)))
			s.refused("organization id", s.json(http.MethodPost, "/oauth/organizations", settings{"id": strings.ToValidUTF8(v, "\x00"), "name": v + "\x00"}, bearer(admin)))
		}
		s.refused("limit", s.get("/oauth/applications?limit="+url.QueryEscape(v), bearer(admin)))
		s.refused("cursor", s.get("/oauth/applications?cursor="+url.QueryEscape(v), bearer(admin)))
		s.refused("client_id", s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_id", v, "client_secret", "x"}))
		s.refused("client_secret", s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_id", "app_" + v, "client_secret", v}))
		s.refused("basic", s.form("/oauth/token", []string{"grant_type", "client_credentials"}, rawBasic("app_"+v+":"+v)))
		if v != "" {
			s.refused("grant_type", s.form("/oauth/token", []string{"grant_type", v}, basic(app)))
			s.refused("scope", s.form("/oauth/token", []string{"grant_type", "client_credentials", "scope", v}, basic(app)))
		}
		if clean := headerSafe(v); clean {
			s.refused("bearer", s.get("/oauth/applications", header("Authorization", "Bearer "+v)))
			s.refused("authorization", s.get("/oauth/applications", header("Authorization", v)))
		}
		if a := s.form("/oauth/introspect", []string{"token", v}, basic(app)); a.status >= 500 || a.status == 200 && strings.TrimSpace(string(a.body)) != inactive {
			t.Errorf("introspect %.40q: %d %s", v, a.status, a.body)
		}
		if a := s.form("/oauth/revoke", []string{"token", v, "token_type_hint", v}, basic(app)); a.status >= 500 {
			t.Errorf("revoke %.40q: %d %s", v, a.status, a.body)
		}
	}
	if now := s.position(); now != position {
		t.Errorf("refused requests moved the log from %d to %d", position, now)
	}
}

// headerSafe reports whether a header can carry the value at all.
func headerSafe(v string) bool { return !strings.ContainsAny(v, "\x00\r\n") }

// What is wrong below HTTP: the server answers, or hangs up, and goes on.
func TestBadHTTP(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	position := s.position()
	long := strings.Repeat("a", 2<<20)
	for name, text := range map[string]string{
		"no HTTP":             "hello\r\n\r\n",
		"no host":             "GET /healthz HTTP/1.1\r\n\r\n",
		"huge path":           "GET /" + long + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"huge header":         "GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + long + "\r\n\r\n",
		"two lengths":         "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"length and chunked":  "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: " + formType + "\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"negative length":     "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"bad chunk":           "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: " + formType + "\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"CONNECT":             "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
		"TRACE":               "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
		"absolute form":       "GET http://evil.example/nowhere HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"control in the path": "GET /oauth/\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
		"folded header":       "GET /nowhere HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
		"dots in the path":    "GET /oauth/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
		"double slashes":      "GET //oauth//applications HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		go fmt.Fprint(c, text) // the server may answer before it has read all
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode < 400 || resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented {
				t.Errorf("%s: %d", name, resp.StatusCode)
			}
		}
		c.Close()
	}
	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}
	s.live(app, s.token(app))
}

// A body of one level less than too much, of every JSON type, round-trips.
func TestGoodJSONIsNotRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	name := "Zürich & <b>“Söhne”</b> \U0001F600"
	body, err := json.Marshal(settings{"name": name, "description": "two\nlines\tand a tab", "scopes": []string{"a", "b:c/d", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"}})
	if err != nil {
		t.Fatal(err)
	}
	app := as[application](s.do(http.MethodPost, "/oauth/applications", "application/json; charset=utf-8", "\n\t "+string(body)+" \r\n", bearer(admin)).want(http.StatusCreated))
	if app.Name != name || app.Description != "two\nlines\tand a tab" || len(app.Scopes) != 3 {
		t.Errorf("%+v", app)
	}
	got := as[tokenResponse](s.requestToken(app).ok())
	if seen := s.introspect(app, got.AccessToken).Scope; seen != strings.Join(app.Scopes, " ") {
		t.Errorf("scope %q", seen)
	}
}
