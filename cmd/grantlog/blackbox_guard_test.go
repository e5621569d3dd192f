package main_test

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// 001_d68ce59f60faa4e4.txt's catalogue, as a seed file has it.
const guardedSeed = `
organizations:
  - id: acme
    name: Acme
    limits: {perMinute: 900, perHour: 40}
    scopes:
      - {name: "read:customers", description: View customer information, routes: ["GET /api/v1/customers/*"]}
      - {name: "write:customers", description: Create and update customers, routes: ["POST /api/v1/customers/*", "PUT /api/v1/customers/*"]}
      - {name: "write:metering", description: Submit metering data, routes: ["POST /api/v1/metering"]}
    upstreams:
      - {name: api, url: "http://127.0.0.1:9001", paths: ["/api/v1/*"], headers: {X-Provider: "Bearer ${f4w_access_token}"}, passToken: true}
    applications:
      - {name: Manager, clientId: app_acme, clientSecretEnv: MANAGER_SECRET, scopes: ["applications:read", "applications:write", "tokens:revoke"]}
      - {name: Production Integration, clientId: app_demo, clientSecretEnv: MANAGER_SECRET, scopes: ["read:customers"]}
  - id: globex
    name: Globex
    applications:
      - {name: Manager, clientId: app_globex, clientSecretEnv: MANAGER_SECRET, scopes: ["applications:read", "applications:write"]}
`

func startGuarded(t *testing.T) *server {
	t.Helper()
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", guardedSeed))
	s.env = []string{"MANAGER_SECRET=" + managerSecret}
	s.start()
	return s
}

// demo is the seeded application, as its manager sees it.
func (s *server) demo() application {
	s.t.Helper()
	for _, a := range s.list(s.tenant("acme"), "limit=200") {
		if a.ClientID == "app_demo" {
			a.ClientSecret = managerSecret
			return a
		}
	}
	s.t.Fatal("no seeded application")
	return application{}
}

// asks is what a proxy asks: may this call pass?
func (s *server) asks(token, method, uri string, opts ...option) answer {
	s.t.Helper()
	opts = append(opts, header("X-Forwarded-Method", method), header("X-Forwarded-Uri", uri))
	if token != "" {
		opts = append(opts, bearer(token))
	}
	return s.get("/oauth/authorize-request", opts...)
}

// Section 4 and 001_d68ce59f60faa4e4.txt: who is let through and what the
// upstream is told.
func TestForwardAuth(t *testing.T) {
	t.Parallel()
	s := startGuarded(t)
	demo := s.demo()
	token := s.token(demo)
	jti := s.introspect(demo, token).ID

	passed := s.asks(token, "GET", "/api/v1/customers?page=2").exactly(http.StatusOK, "")
	for name, want := range map[string]string{
		"X-Auth-Client-Id": "app_demo", "X-Auth-Application-Id": demo.ID, "X-Auth-Organization-Id": "acme",
		"X-Auth-Scope": "read:customers", "X-Auth-Subject": "app_demo", "X-Auth-Token-Id": jti,
		"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "999",
		"X-RateLimit-Organization-Limit": "40", "X-RateLimit-Organization-Remaining": "39",
		"RateLimit-Policy": `"minute";q=50;w=60, "hour";q=1000;w=3600, "organization-minute";q=900;w=60, "organization-hour";q=40;w=3600`,
	} {
		passed.has(name, want)
	}
	for _, c := range []struct{ method, uri string }{
		{"POST", "/api/v1/customers"}, {"DELETE", "/api/v1/customers/7"}, {"POST", "/api/v1/metering"},
		{"GET", "/api/v1/orders"}, {"GET", "/"},
	} {
		s.asks(token, c.method, c.uri).exactly(http.StatusForbidden, `{"code":403,"message":"Insufficient scope for this endpoint"}`).
			has("X-RateLimit-Remaining", "999")
	}
	for _, trick := range []string{
		"/api/v1/customers/../metering", "/api/v1/customers/%2e%2e/metering", "/api/v1//customers", "/api/v1/customers;x", "/api/v1/customers%2f7", `/api/v1/customers\7`,
	} {
		s.asks(token, "GET", trick).exactly(http.StatusBadRequest, `{"code":400,"message":"The path is malformed"}`)
	}
	s.asks(token, "GET", "/api/v1/customers", header("X-Original-URI", "/api/v1/metering")).want(http.StatusBadRequest)
	s.asks(token, "GET", "/api/v1/customers", header("X-Original-Method", "PUT")).want(http.StatusBadRequest)
	s.get("/oauth/authorize-request", bearer(token)).want(http.StatusBadRequest)
	s.asks(token, "GET", "/api/v1/customers", bearer(token)).want(http.StatusBadRequest) // two tokens

	s.asks("", "GET", "/api/v1/customers").exactly(http.StatusUnauthorized, `{"code":401,"message":"Missing access token"}`)
	s.asks(token+"x", "GET", "/api/v1/customers").exactly(http.StatusUnauthorized, `{"code":401,"message":"Invalid token"}`)
	s.form("/oauth/revoke", []string{"token", token}, basic(demo)).ok()
	s.asks(token, "GET", "/api/v1/customers").exactly(http.StatusUnauthorized, `{"code":401,"message":"Token revoked"}`)
}

type usageAnswer struct {
	Step    string `json:"step"`
	Buckets []struct {
		Time     time.Time `json:"time"`
		Requests int       `json:"requests"`
	} `json:"buckets"`
	Totals       usageCounts `json:"totals"`
	LastAccessAt time.Time   `json:"lastAccessAt"`
	RateLimit    struct {
		PerHour      quotaAnswer `json:"perHour"`
		Organization struct {
			PerHour quotaAnswer `json:"perHour"`
		} `json:"organization"`
	} `json:"rateLimit"`
	Secrets []struct {
		Version    int       `json:"version"`
		LastUsedAt time.Time `json:"lastUsedAt"`
	} `json:"secrets"`
}

type usageCounts struct {
	Requests  int     `json:"requests"`
	Errors    int     `json:"errors"`
	ErrorRate float64 `json:"errorRate"`
	Refused   int     `json:"refused"`
}

type quotaAnswer struct {
	Limit     int   `json:"limit"`
	Remaining int   `json:"remaining"`
	Reset     int64 `json:"reset"`
}

func (s *server) usage(manager string, a application, query string) usageAnswer {
	s.t.Helper()
	return as[usageAnswer](s.get(a.path("usage")+query, bearer(manager)).ok())
}

// Section 4: the limits of the application and of its organization, to the
// call; across a stop and across a kill there is no fresh bucket.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	s := startGuarded(t)
	demo, manager := s.demo(), s.tenant("acme")
	s.json(http.MethodPut, demo.path(), settings{"limits": settings{"perHour": 12}}, bearer(manager)).ok()
	token := s.token(demo)
	call := func() answer { s.t.Helper(); return s.asks(token, "GET", "/api/v1/customers") }

	for range 6 {
		call().ok()
	}
	s.restart()
	call().ok().has("X-RateLimit-Remaining", "5")
	s.kill() // with a limit of 12 no call passes before it is in the log
	s.start()
	for range 5 {
		call().ok()
	}
	refused := call().want(http.StatusTooManyRequests)
	retry := refused.header.Get("Retry-After")
	refused.exactly(http.StatusTooManyRequests, `{"code":429,"message":"Rate limit exceeded","retryAfter":`+retry+`}`).
		has("X-RateLimit-Limit", "12").has("X-RateLimit-Remaining", "0")
	if n, err := strconv.Atoi(retry); err != nil || n < 1 || n > 3660 {
		t.Errorf("Retry-After %q", retry)
	}
	// A call that is refused for another reason consumes nothing, nor does one
	// of management.
	s.asks(token, "POST", "/api/v1/customers").want(http.StatusForbidden)
	if left := s.usage(manager, demo, "").RateLimit.Organization.PerHour; left.Limit != 40 || left.Remaining != 28 {
		t.Errorf("the organization has %+v left", left)
	}

	s.json(http.MethodPut, demo.path(), settings{"limits": settings{"perHour": 1000}}, bearer(manager)).ok()
	for range 28 {
		call().ok()
	}
	call().want(http.StatusTooManyRequests) // the organization's limit
	admin := bearer(s.admin())
	s.json(http.MethodPut, "/oauth/organizations/acme", settings{"limits": settings{"perHour": 41}}, admin).ok()
	call().ok()
	call().want(http.StatusTooManyRequests)
}

// Section 3: what an application called, who refused it, and what it has left.
func TestUsage(t *testing.T) {
	t.Parallel()
	s := startGuarded(t)
	demo, manager := s.demo(), s.tenant("acme")
	if u := s.usage(manager, demo, ""); u.Step != "hour" || len(u.Buckets) != 25 || u.Totals.Requests != 0 || !u.LastAccessAt.IsZero() ||
		len(u.Secrets) != 1 || !u.Secrets[0].LastUsedAt.IsZero() || u.RateLimit.PerHour.Remaining != 1000 {
		t.Errorf("before the first call: %+v", u)
	}
	begun := time.Now().Truncate(time.Second)
	token := s.token(demo)
	for range 3 {
		s.asks(token, "GET", "/api/v1/customers").ok()
	}
	s.asks(token, "POST", "/api/v1/customers").want(http.StatusForbidden)
	want := usageCounts{Requests: 4, Errors: 1, ErrorRate: 0.25, Refused: 1}
	s.eventually("the calls are accounted for", func() bool { return s.usage(manager, demo, "?step=minute").Totals == want })
	s.kill()
	s.start()
	manager = s.tenant("acme")
	for _, step := range []string{"minute", "hour", "day"} {
		u := s.usage(manager, demo, "?step="+step)
		sum := 0
		for _, b := range u.Buckets {
			sum += b.Requests
		}
		if u.Totals != want || sum != 4 || u.LastAccessAt.Before(begun) || u.Secrets[0].LastUsedAt.Before(begun) || u.RateLimit.PerHour.Remaining != 997 {
			t.Errorf("by %s: %+v", step, u)
		}
	}
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if u := s.usage(manager, demo, "?step=minute&from="+later+"&to="+time.Now().Add(2*time.Hour).UTC().Format(time.RFC3339)); u.Totals.Requests != 0 || len(u.Buckets) < 60 {
		t.Errorf("to come: %+v", u.Totals)
	}
	for _, query := range []string{
		"?step=second", "?step=", "?step=hour&step=hour", "?from=yesterday", "?from=" + later, "?to=1e9", "?from=0001-01-01T00:00:00Z", "?step=minute&from=2020-01-01T00:00:00Z", "?from=", "?organization=globex&from=x",
	} {
		if a := s.get(demo.path("usage")+query, bearer(manager)); a.status != http.StatusBadRequest && !strings.Contains(query, "globex") {
			t.Errorf("%s: %d", query, a.status)
		}
	}
	s.get(demo.path("usage"), bearer(s.tenant("globex"))).want(http.StatusNotFound)
	s.get(demo.path("usage"), bearer(token)).want(http.StatusForbidden)
	s.get(demo.path("usage"), bearer(s.admin())).ok()
}

// Section 4: the catalogue changes through the API, for a guard at once.
func TestCatalogueOpensRoutes(t *testing.T) {
	t.Parallel()
	s := startGuarded(t)
	demo, manager := s.demo(), s.tenant("acme")
	token := s.token(demo)
	s.asks(token, "GET", "/api/v1/customers").ok()

	type catalogue struct {
		OrganizationID string `json:"organizationId"`
		Scopes         []struct {
			Name   string   `json:"name"`
			Routes []string `json:"routes"`
		} `json:"scopes"`
	}
	read := s.get("/oauth/scopes", bearer(manager)).ok()
	if c := as[catalogue](read); c.OrganizationID != "acme" || len(c.Scopes) != 3 || c.Scopes[0].Name != "read:customers" {
		t.Errorf("%+v", c)
	}
	tag := read.header.Get("ETag")
	moved := settings{"scopes": []settings{{"name": "read:customers", "routes": []string{"GET /api/v2/customers/*"}}}}
	written := s.json(http.MethodPut, "/oauth/scopes", moved, bearer(manager), header("If-Match", tag)).ok()
	if cmp.Or(written.header.Get("Consistency-Token"), written.header.Get("ETag")) == "" || written.header.Get("ETag") == tag {
		t.Errorf("headers %v", written.header)
	}
	s.asks(token, "GET", "/api/v1/customers").want(http.StatusForbidden)
	s.asks(token, "GET", "/api/v2/customers/7").ok()
	s.json(http.MethodPut, "/oauth/scopes", moved, bearer(manager), header("If-Match", tag)).want(http.StatusPreconditionFailed)
	for _, bad := range []any{
		settings{}, settings{"scopes": nil}, settings{"scopes": []settings{{"name": "a b"}}},
		settings{"scopes": []settings{{"name": "a", "routes": []string{"GET /a/../b"}}}},
		settings{"scopes": []settings{{"name": "a", "routes": []string{"GET /a/%41"}}}},
		settings{"scopes": []settings{{"name": "a", "routes": []string{"get /a"}}}},
		settings{"scopes": []settings{{"name": "grantlog:admin"}}}, settings{"scopes": []settings{}, "more": 1},
	} {
		s.json(http.MethodPut, "/oauth/scopes", bad, bearer(manager)).want(http.StatusBadRequest)
	}
	globex := s.tenant("globex")
	if c := as[catalogue](s.get("/oauth/scopes", bearer(globex)).ok()); c.OrganizationID != "globex" || len(c.Scopes) != 0 {
		t.Errorf("another organization sees %+v", c)
	}
	s.get("/oauth/scopes?organization=acme", bearer(globex)).want(http.StatusForbidden)
	s.json(http.MethodPut, "/oauth/scopes", moved, bearer(token)).want(http.StatusForbidden)
	if c := as[catalogue](s.get("/oauth/scopes?organization=acme", bearer(s.admin())).ok()); len(c.Scopes) != 1 {
		t.Errorf("the administrator sees %+v", c)
	}

	admin := bearer(s.admin())
	o := s.get("/oauth/organizations/acme", admin).ok()
	s.json(http.MethodPut, "/oauth/organizations/acme", settings{"name": "Acme Inc."}, admin, header("If-Match", `"1"`)).want(http.StatusPreconditionFailed)
	s.json(http.MethodPut, "/oauth/organizations/acme", settings{"name": "Acme Inc."}, admin, header("If-Match", o.header.Get("ETag"))).ok()
	s.json(http.MethodPut, "/oauth/organizations/acme", settings{"limits": settings{"perMinute": -1}}, admin).want(http.StatusBadRequest)
	s.json(http.MethodPut, "/oauth/organizations/none", settings{"name": "x"}, admin).want(http.StatusNotFound)
	s.json(http.MethodPut, "/oauth/organizations/acme", settings{"name": "x"}, bearer(manager)).want(http.StatusForbidden)
}
