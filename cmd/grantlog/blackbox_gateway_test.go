package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// customers is the API that the gateway guards: a real HTTP server. It notes
// what it was asked.
type customers struct {
	*httptest.Server
	mu    sync.Mutex
	calls []*http.Request
}

func startCustomers(t testing.TB) *customers {
	u := &customers{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.calls = append(u.calls, r)
		u.mu.Unlock()
		switch r.URL.Path {
		case "/api/v1/customers/broken":
			panic(http.ErrAbortHandler)
		case "/api/v1/customers/new":
			w.WriteHeader(http.StatusInternalServerError)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"data":[{"id":"cust_1","name":"Example"}],"path":%q}`, r.URL.RequestURI())
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *customers) last() *http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.calls) == 0 {
		return nil
	}
	return u.calls[len(u.calls)-1]
}

func (u *customers) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.calls)
}

// gatewaySeed is section 1's seed file, with a second application whose limit
// is within reach.
const gatewaySeed = `
organizations:
  - id: acme
    name: Acme
    limits: {perMinute: 500, perHour: 10000}
    scopes:
      - {name: "read:customers", description: View customer information, routes: ["GET /api/v1/customers/*"]}
      - {name: "write:customers", description: Create and update customers, routes: ["POST /api/v1/customers/*", "PUT /api/v1/customers/*"]}
      - {name: "read:analytics", description: Access analytics data, routes: ["GET /api/v1/analytics/*"]}
    upstreams:
      - {name: api, url: "%[1]s", paths: ["/api/v1/*"]}
      - {name: analytics, url: "%[1]s", paths: ["/api/v1/analytics/*"], headers: {X-Provider: "Bearer ${f4w_access_token}"}}
    applications:
      - {name: Manager, clientId: app_acme, clientSecretEnv: MANAGER_SECRET, scopes: ["applications:read", "applications:write", "tokens:revoke"]}
      - {name: Production Integration, clientId: app_demo, clientSecretEnv: MANAGER_SECRET, scopes: ["read:customers", "read:analytics"]}
      - {name: Limited, clientId: app_limited, clientSecretEnv: MANAGER_SECRET, scopes: ["read:customers"], limits: {perMinute: 3}}
  - id: globex
    name: Globex
    scopes:
      - {name: "read:customers", description: View customer information, routes: ["GET /api/v1/customers/*"]}
    applications:
      - {name: Other, clientId: app_globex, clientSecretEnv: MANAGER_SECRET, scopes: ["read:customers"]}
`

func startGateway(t *testing.T) (*server, *customers) {
	t.Helper()
	u := startCustomers(t)
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", fmt.Sprintf(gatewaySeed, u.URL)))
	s.env = []string{"MANAGER_SECRET=" + managerSecret}
	s.start()
	return s, u
}

// through calls a guarded route. What an upstream answers no description says.
func (s *server) through(method, path, token string, opts ...option) answer {
	s.t.Helper()
	r, err := http.NewRequest(method, s.issuer()+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		bearer(token)(r)
	}
	for _, o := range opts {
		o(r)
	}
	resp, err := s.base.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{s.t, method + " " + path, resp.StatusCode, resp.Header, body}
}

func seeded(clientID string) application {
	return application{ClientID: clientID, ClientSecret: managerSecret}
}

// Section 4 and 001_d68ce59f60faa4e4.txt, end to end: a client gets a token
// and calls the API through grantlog, and is refused as the document says.
func TestGateway(t *testing.T) {
	t.Parallel()
	s, u := startGateway(t)
	demo := seeded("app_demo")
	token := s.token(demo)

	passed := s.through(http.MethodGet, "/api/v1/customers?page=2", token, header("X-Auth-Scope", "forged"), header("X-Forwarded-For", "192.0.2.9"))
	passed.exactly(http.StatusOK, `{"data":[{"id":"cust_1","name":"Example"}],"path":"/api/v1/customers?page=2"}`).
		has("X-RateLimit-Limit", "1000").has("X-RateLimit-Remaining", "999").
		has("X-RateLimit-Organization-Limit", "10000").has("X-RateLimit-Organization-Remaining", "9999").has("Content-Type", "application/json")
	if passed.header.Get("X-RateLimit-Reset") == "" || passed.header.Get("X-Request-Id") != u.last().Header.Get("X-Request-Id") {
		t.Errorf("%v", passed.header)
	}
	for name, want := range map[string]string{
		"X-Auth-Client-Id": "app_demo", "X-Auth-Organization-Id": "acme", "X-Auth-Scope": "read:customers read:analytics", "X-Auth-Subject": "app_demo",
		"Authorization": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": s.addr, "X-Forwarded-Proto": "http",
	} {
		if got := strings.Join(u.last().Header.Values(name), ", "); got != want {
			t.Errorf("the API was told %s: %q, want %q", name, got, want)
		}
	}

	insufficient := flat(403, "Insufficient scope for this endpoint")
	for _, c := range []struct{ method, path string }{{"POST", "/api/v1/customers"}, {"PUT", "/api/v1/customers/7"}, {"DELETE", "/api/v1/customers/7"}} {
		s.through(c.method, c.path, token).exactly(http.StatusForbidden, insufficient).has("X-RateLimit-Remaining", "999")
	}
	s.through(http.MethodGet, "/api/v1/customers", "").exactly(http.StatusUnauthorized, flat(401, "Missing access token")).has("WWW-Authenticate", `Bearer realm="grantlog"`)
	s.through(http.MethodGet, "/api/v1/customers", token+"x").exactly(http.StatusUnauthorized, flat(401, "Invalid token"))
	s.through(http.MethodGet, "/api/v1/customers?access_token="+token, token).want(http.StatusBadRequest)
	s.through(http.MethodGet, "/api/v1/customers", token, bearer(token)).want(http.StatusBadRequest)
	s.through(http.MethodGet, "/api/v1/customers", strings.Repeat("a", 1<<20)).want(http.StatusRequestHeaderFieldsTooLarge)
	for _, token := range []string{"", token} {
		s.through(http.MethodGet, "/nowhere", token).exactly(http.StatusNotFound, flat(404, "Not found"))
	}
	s.through(http.MethodGet, "/api/v1/orders", token).exactly(http.StatusNotFound, flat(404, "Not found"))
	// Another organization has the route and no upstream: its token reaches nobody's.
	s.through(http.MethodGet, "/api/v1/customers", s.token(seeded("app_globex"))).exactly(http.StatusNotFound, flat(404, "Not found"))
	s.through(http.MethodGet, "/api/v1/analytics/x", token).exactly(http.StatusFailedDependency, flat(424, "The organization has no live token of the provider f4w"))
	if n := u.count(); n != 1 {
		t.Errorf("%d calls reached the API, want 1", n)
	}

	s.through(http.MethodGet, "/api/v1/customers/broken", token).exactly(http.StatusBadGateway, flat(502, "The upstream failed"))
	s.through(http.MethodGet, "/api/v1/customers/new", token).want(http.StatusInternalServerError)
	manager := s.tenant("acme")
	want := usageCounts{Requests: 8, Errors: 7, ErrorRate: 0.875, Refused: 4}
	s.eventually("the calls are accounted for", func() bool { return s.usage(manager, s.demo(), "?step=minute").Totals == want })

	s.form("/oauth/revoke", []string{"token", token}, basic(demo)).ok()
	s.through(http.MethodGet, "/api/v1/customers", token).exactly(http.StatusUnauthorized, flat(401, "Token revoked"))
	another := s.token(demo)
	s.json(http.MethodPost, s.demo().path("regenerate-secret"), settings{}, bearer(manager)).ok()
	s.through(http.MethodGet, "/api/v1/customers", another).exactly(http.StatusUnauthorized, flat(401, "Token revoked"))
}

// Section 4: over the limit, in the seed's words.
func TestGatewayLimits(t *testing.T) {
	t.Parallel()
	s, u := startGateway(t)
	token := s.token(seeded("app_limited"))
	for range 3 {
		s.through(http.MethodGet, "/api/v1/customers", token).ok()
	}
	refused := s.through(http.MethodGet, "/api/v1/customers", token)
	retry := refused.header.Get("Retry-After")
	refused.exactly(http.StatusTooManyRequests, `{"code":429,"message":"Rate limit exceeded","retryAfter":`+retry+`}`).has("X-RateLimit-Limit", "1000")
	if n := u.count(); n != 3 || retry == "" {
		t.Errorf("%d calls reached the API; Retry-After %q", n, retry)
	}
}

// SECURITY.md: spellings that clients clean up by themselves, to the byte.
func TestGatewayPathTricks(t *testing.T) {
	t.Parallel()
	s, u := startGateway(t)
	token := s.token(seeded("app_demo"))
	for _, path := range []string{
		"//api/v1/customers", "/api/v1/customers/../orders", "/api/v1/customers/%2e%2e/orders", "/api/v1/customers/..;/orders", "/api/v1//customers",
		`/api/v1/customers/..\orders`, "/api/v1/customers%2f..%2forders", "/api/v1/customers%00", "api/v1/customers", "*", "/api/v1/customers/\x01",
	} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", path, token)
		got, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		conn.Close()
		if got.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %d", path, got.StatusCode)
		}
	}
	if n := u.count(); n != 0 {
		t.Errorf("%d calls reached the API", n)
	}
}

// 001_d68ce59f60faa4e4.txt's cURL example, with only the host changed.
func TestGatewayByCurl(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: the document's cURL example is not tried", tool)
		}
	}
	s, _ := startGateway(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "gateway.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```sh\n")
	example, _, _ = strings.Cut(example, "```")
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(example, "http://127.0.0.1:8080", s.issuer()))
	cmd.Env = append(cleanEnv(), "CLIENT_ID=app_demo", "CLIENT_SECRET="+managerSecret)
	out, err := cmd.Output()
	if want := `{"data":[{"id":"cust_1","name":"Example"}],"path":"/api/v1/customers"}`; err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}
