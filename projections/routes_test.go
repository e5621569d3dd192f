package projections_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

func TestCleanPath(t *testing.T) {
	for _, c := range []struct {
		escaped, want string
		ok            bool
	}{
		{"/", "/", true},
		{"/api/v1/customers", "/api/v1/customers", true},
		{"/api/v1/customers/", "/api/v1/customers/", true},
		{"/a%20b/%C3%A9", "/a b/é", true},
		{"/a.b/..c/d..", "/a.b/..c/d..", true},
		{"/%61pi", "/api", true},
		{"/a:b@c,d=e+f", "/a:b@c,d=e+f", true},
		{"", "", false},
		{"api", "", false},
		{"*", "", false},
		{"//api", "", false},
		{"/api//v1", "", false},
		{"/api/./v1", "", false},
		{"/api/../v1", "", false},
		{"/api/v1/..", "", false},
		{"/api/v1/.", "", false},
		{"/api/%2e%2e/v1", "", false},
		{"/api/%2E./v1", "", false},
		{"/api%2fv1", "", false},
		{"/api%2Fv1", "", false},
		{"/api%5cv1", "", false},
		{`/api\v1`, "", false},
		{"/api;x=1/v1", "", false},
		{"/api%3bx/v1", "", false},
		{"/api%00", "", false},
		{"/api%0a", "", false},
		{"/api%7f", "", false},
		{"/api%ff", "", false},
		{"/api%252e%252e/v1", "", false},
		{"/api%", "", false},
		{"/api%2", "", false},
		{"/api%zz", "", false},
		{"/api%3fx", "", false},
		{"/api%23x", "", false},
		{"/api?x", "", false},
		{"/" + strings.Repeat("a", projections.MaxPath), "", false},
	} {
		got, ok := projections.CleanPath(c.escaped)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%.60q: %q, %v; want %q, %v", c.escaped, got, ok, c.want, c.ok)
		}
	}
}

// FuzzCleanPath: an accepted path means one thing, however it is spelled.
func FuzzCleanPath(f *testing.F) {
	for _, seed := range []string{"/", "/a%20b", "/../a", "/a%2fb", "/%252e", "/a//b;c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		path, ok := projections.CleanPath(escaped)
		if !ok {
			return
		}
		if again, ok := projections.CleanPath(path); !ok || again != path {
			t.Errorf("%q is cleaned to %q, and that to %q (%v)", escaped, path, again, ok)
		}
		for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
			if segment == "." || segment == ".." || segment == "" && path != "/" || strings.ContainsAny(segment, "\\;%?#\x00\r\n") {
				t.Errorf("%q is accepted as %q", escaped, path)
			}
		}
	})
}

// catalogue is an organization whose scopes are named after their routes.
func catalogue(t *testing.T, upstreams []events.Upstream, scopes ...events.Scope) *projections.Organization {
	t.Helper()
	s := replayed(t, []page{on("acme", 0,
		&events.OrganizationCreated{ID: "acme", Name: "Acme"},
		&events.ScopesSet{ID: "acme", Scopes: scopes},
		&events.UpstreamsSet{ID: "acme", Upstreams: upstreams},
	)})
	o, _ := restored(t, encoded(t, s.Freeze())).Organizations.Get("acme")
	return o
}

func TestRoute(t *testing.T) {
	o := catalogue(t,
		[]events.Upstream{
			{Name: "api", Paths: []string{"/api/v1/*"}},
			{Name: "customers", Paths: []string{"/api/v1/customers/*"}},
			{Name: "one", Paths: []string{"/api/v1/customers/one"}},
			{Name: "second", Paths: []string{"/api/v1/*"}},
		},
		events.Scope{Name: "read", Routes: []string{"GET /api/v1/*", "GET /api/v1/metering"}},
		events.Scope{Name: "read:customers", Routes: []string{"GET /api/v1/customers/*"}},
		events.Scope{Name: "write:customers", Routes: []string{"POST /api/v1/customers/*", "PUT /api/v1/customers/*"}},
		events.Scope{Name: "audit", Routes: []string{"GET /api/v1/customers/*"}},
		events.Scope{Name: "head", Routes: []string{"HEAD /api/v1/customers/secret"}},
		events.Scope{Name: "own", Routes: []string{"GET /oauth/*", "GET /service/*"}},
		events.Scope{Name: "elsewhere", Routes: []string{"GET /elsewhere"}},
	)
	for _, c := range []struct {
		method, path string
		known        bool
		scopes       []string
		upstream     string
	}{
		{"GET", "/api/v1", true, []string{"read"}, "api"},
		{"GET", "/api/v1/", true, []string{"read"}, "api"},
		{"GET", "/api/v1/x/y/z", true, []string{"read"}, "api"},
		{"GET", "/api/v1/customers", true, []string{"read:customers", "audit"}, "customers"},
		{"GET", "/api/v1/customers/", true, []string{"read:customers", "audit"}, "customers"},
		{"GET", "/api/v1/customers/one", true, []string{"read:customers", "audit"}, "one"},
		{"GET", "/api/v1/customersx", true, []string{"read"}, "api"},
		{"HEAD", "/api/v1/customers/7", true, []string{"read:customers", "audit"}, "customers"},
		{"HEAD", "/api/v1/customers/secret", true, []string{"head"}, "customers"},
		{"POST", "/api/v1/customers/7/orders", true, []string{"write:customers"}, "customers"},
		{"POST", "/api/v1/orders", true, nil, "api"},
		{"DELETE", "/api/v1/customers/7", true, nil, "customers"},
		{"get", "/api/v1/customers", true, nil, "customers"},
		{"GET", "/api/v1/metering", true, []string{"read"}, "api"},
		{"GET", "/api/v1/authentications", true, []string{"read"}, ""},
		{"GET", "/api/v1/authentications/7", true, []string{"read"}, ""},
		{"GET", "/api/v1/authenticationsx", true, []string{"read"}, "api"},
		{"GET", "/oauth/token", true, []string{"own"}, ""},
		{"GET", "/service/p/e/json/u", true, []string{"own"}, ""},
		{"GET", "/elsewhere", true, []string{"elsewhere"}, ""},
		{"GET", "/elsewhere/", false, nil, ""},
		{"GET", "/api", false, nil, ""},
		{"GET", "/API/v1/customers", false, nil, ""},
		{"GET", "/", false, nil, ""},
	} {
		got := o.Route(c.method, c.path)
		upstream := ""
		if got.Upstream != nil {
			upstream = got.Upstream.Name
		}
		if got.Known != c.known || upstream != c.upstream || !cmp.Equal(got.Scopes, c.scopes) {
			t.Errorf("%s %s: known %v, scopes %v, upstream %q", c.method, c.path, got.Known, got.Scopes, upstream)
		}
	}
}

func TestRouteOfEverything(t *testing.T) {
	o := catalogue(t, nil, events.Scope{Name: "all", Routes: []string{"GET /*"}})
	for _, path := range []string{"/", "/a", "/a/b"} {
		if got := o.Route("GET", path); !cmp.Equal(got.Scopes, []string{"all"}) {
			t.Errorf("%s: %v", path, got.Scopes)
		}
	}
	if got := (&projections.Organization{}).Route("GET", "/"); got.Known {
		t.Error("an empty catalogue knows a path")
	}
}

func TestProxied(t *testing.T) {
	s := replayed(t, []page{
		on("acme", 0,
			&events.OrganizationCreated{ID: "acme", Name: "Acme"},
			&events.ScopesSet{ID: "acme", Scopes: []events.Scope{{Name: "all", Routes: []string{"GET /*"}}}},
		),
		on("globex", 0,
			&events.OrganizationCreated{ID: "globex", Name: "Globex"},
			&events.UpstreamsSet{ID: "globex", Upstreams: []events.Upstream{{Name: "api", Paths: []string{"/api/v1/*", "/oauth/*"}}}},
		),
	})
	for path, want := range map[string]bool{
		"/api/v1": true, "/api/v1/x": true, "/api/v1/authenticationsx": true,
		"/": false, "/api": false, "/api/v1x": false, "/api/v1/authentications": false, "/api/v1/authentications/7": false, "/oauth/x": false,
	} {
		if got := s.Organizations.Proxied(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}
