package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events"
)

const (
	notFound     = `404 {"code":404,"message":"Not found"}`
	malformed    = `400 {"code":400,"message":"The path is malformed"}`
	missing      = `401 {"code":401,"message":"Missing access token"}`
	invalid      = `401 {"code":401,"message":"Invalid token"}`
	insufficient = `403 {"code":403,"message":"Insufficient scope for this endpoint"}`
	twoTokens    = `400 {"code":400,"message":"The token is given in two places"}`
)

func TestCalls(t *testing.T) {
	s := newSite(t, nil, nil)
	token, _ := s.token()
	good := "Bearer " + token
	for _, c := range []struct{ name, method, path, authorization, want string }{
		{"passes", "GET", "/api/v1/customers", good, "200 GET /base/api/v1/customers"},
		{"passes with all there is", "GET", "/api/v1/customers/7/x?a=1&b=%2F", good, "200 GET /base/api/v1/customers/7/x?a=1&b=%2F"},
		{"passes in plain form", "GET", "/api/%76%31/customers/%61%20b%C3%A9", good, "200 GET /base/api/v1/customers/a%20b%C3%A9"},
		{"no body", "HEAD", "/api/v1/customers", good, "200 "},
		{"scheme in other case", "GET", "/api/v1/customers", "bEARER  " + token, "200 GET /base/api/v1/customers"},
		{"no scope", "POST", "/api/v1/customers", good, insufficient},
		{"no scope has the method", "DELETE", "/api/v1/customers", good, insufficient},
		{"unknown method", "BREW", "/api/v1/customers", good, insufficient},
		{"method in other case", "get", "/api/v1/customers", good, insufficient},
		{"no route", "GET", "/api/v1/orders", good, notFound},
		{"no upstream", "GET", "/elsewhere", good, notFound},
		{"own path", "GET", "/oauth/anything", good, notFound},
		{"own path in disguise", "GET", "/%6fauth/anything", good, notFound},
		{"authentications", "GET", "/api/v1/authentications/7", good, notFound},
		{"authentications in disguise", "GET", "/api/v1/%61uthentications", good, notFound},
		{"own endpoint", "POST", "/api/v1/customers/own", "", "418 "},
		{"own endpoint, other method", "GET", "/api/v1/customers/own", good, `405 {"code":405,"message":"Method not allowed"}`},
		{"nobody's path without a token", "GET", "/nowhere", "", notFound},
		{"nobody's path with a token", "GET", "/nowhere", good, notFound},
		{"no token", "GET", "/api/v1/customers", "", missing},
		{"no token, no route", "GET", "/api/v1/orders", "", missing},
		{"no bearer", "GET", "/api/v1/customers", "Basic YTpi", missing},
		{"altered token", "GET", "/api/v1/customers", good + "x", invalid},
		{"half a token", "GET", "/api/v1/customers", good[:len(good)/2], invalid},
		{"long token", "GET", "/api/v1/customers", "Bearer " + strings.Repeat("a", 900<<10), invalid},
		{"token in two places", "GET", "/api/v1/customers?access_token=" + token, good, twoTokens},
		{"token in two places, escaped", "GET", "/api/v1/customers?x=1&access_%74oken=1", good, "200 GET /base/api/v1/customers?x=1&access_%74oken=1"},
		{"token in the query alone", "GET", "/api/v1/customers?access_token=" + token, "", missing},
	} {
		header := []string{"X-Auth-Scope", "forged"}
		if c.authorization != "" {
			header = append(header, "Authorization", c.authorization)
		}
		got, h := s.call(c.method, c.path, header...)
		if got != c.want {
			t.Errorf("%s: %.200s, want %s", c.name, got, c.want)
		}
		if known := strings.HasPrefix(got, "200") || got == insufficient; known && h.Get("X-RateLimit-Limit") != "1000" {
			t.Errorf("%s: %v", c.name, h)
		}
	}
	if got, _ := s.call("GET", "/api/v1/customers", "Authorization", good, "Authorization", good); !strings.HasPrefix(got, "400") {
		t.Errorf("two tokens: %s", got)
	}
	for _, r := range s.reached() {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Auth-Scope") != "read:customers" || r.Header.Get("X-Auth-Client-Id") != "app_a1" {
			t.Errorf("the upstream was told %v", r.Header)
		}
	}
}

// No spelling of a path reaches an upstream under another route than its own.
func TestPathTricks(t *testing.T) {
	s := newSite(t, nil, func(u *events.Upstream) { u.Paths = []string{"/*"} })
	token, _ := s.token()
	for _, path := range []string{
		"/api/v1/customers/../orders", "/api/v1/customers/..", "/api/v1/customers/./7", "/api/v1/customers/%2e%2e/orders", "/api/v1/customers/%2E./orders",
		"/api/v1/customers/..%2forders", "/api/v1/customers%2f..%2forders", "/api/v1//customers", "/api/v1/customers//",
		"/api/v1/customers;/../orders", "/api/v1/customers/..;/orders", "/api/v1/customers;a=b", "/api/v1/customers%3b", `/api/v1/customers/..\orders`,
		"/api/v1/customers%5c7", "/api/v1/customers/%252e%252e/orders", "/api/v1/customers%00", "/api/v1/customers%0d%0aX:%201", "/api/v1/customers/%c0%ae%c0%ae/orders",
		"/api/v1/customers/%u002e", "/api/v1/customers%3f", "/api/v1/customers%23",
	} {
		// One that net/http does not read has its answer too.
		if got, _ := s.call("GET", path, "Authorization", "Bearer "+token); got != malformed && got != "400 400 Bad Request" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if n := len(s.reached()); n != 0 {
		t.Errorf("%d calls reached the upstream", n)
	}
}

// Third parties' tokens stand where the upstream's configuration names them,
// and one that is missing keeps the call here.
func TestThirdPartyTokens(t *testing.T) {
	tokens := map[string]string{"acme/f4w": "t+/=&0", "acme/bad": "a\"b"}
	down := errors.New("down")
	change := func(u *events.Upstream) {
		u.URL += "${f4w_access_token}?key=${f4w_access_token}"
		u.Headers = []events.UpstreamHeader{{Name: "X-Provider", Value: "Bearer ${f4w_access_token}"}}
		u.Body = `{"token":"${f4w_access_token}"}`
	}
	lookup := func(_ context.Context, organization, provider string) (string, error) {
		if provider == "down" {
			return "", down
		}
		return tokens[organization+"/"+provider], nil
	}
	s := newSite(t, lookup, change)
	token, _ := s.token()
	get := func() string {
		t.Helper()
		got, _ := s.call("GET", "/api/v1/customers?x=1", "Authorization", "Bearer "+token)
		return got
	}
	if got := get(); got != "200 GET /base/t%2B%2F%3D%260/api/v1/customers?key=t%2B%2F%3D%260&x=1" {
		t.Error(got)
	}
	r := s.reached()[0]
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != `{"token":"t+/=&0"}` || r.Header.Get("X-Provider") != "Bearer t+/=&0" {
		t.Errorf("%s %v", body, r.Header)
	}
	for provider, want := range map[string]string{
		"none": `424 {"code":424,"message":"The organization has no live token of the provider none"}`,
		"bad":  `424 {"code":424,"message":"The organization has no live token of the provider bad"}`,
		"down": `500 {"code":500,"message":"The server failed to answer"}`,
	} {
		s.append(&events.UpstreamsSet{ID: "acme", Upstreams: []events.Upstream{{
			Name: "api", URL: s.api.URL, Paths: []string{"/api/v1/*"}, Private: true,
			Headers: []events.UpstreamHeader{{Name: "X-A", Value: "${f4w_access_token} ${" + provider + "_access_token}"}},
		}}})
		if got := get(); got != want {
			t.Errorf("%s: %s", provider, got)
		}
	}
	if n := len(s.reached()); n != 1 {
		t.Errorf("%d calls reached the upstream", n)
	}
	if got, _ := newSite(t, nil, change).call("GET", "/api/v1/customers"); got != missing {
		t.Errorf("%s", got)
	}
}

// A call that lasts ends with its token.
func TestRevocationEndsTunnels(t *testing.T) {
	s := newSite(t, nil, nil)
	token, id := s.token()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/api/v1/customers", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + token}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
	answer, err := s.client.Do(r)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(answer, err)
	}
	defer answer.Body.Close()
	tunnel := answer.Body.(io.ReadWriter)
	echoed := make([]byte, 5)
	for range 100 { // it outlasts many checks
		fmt.Fprint(tunnel, "hello")
		if _, err := io.ReadFull(tunnel, echoed); err != nil {
			t.Fatal(err)
		}
	}
	s.append(&events.TokenRevoked{ID: id, Application: "a1"})
	if n, err := tunnel.Read(echoed); err == nil {
		t.Errorf("%d bytes after the revocation", n)
	}
}

func TestPlaceholdersCannotMoveTheHost(t *testing.T) {
	token := func(context.Context, string, string) (string, error) { return "@evil.example/#", nil }
	s := newSite(t, token, func(u *events.Upstream) { u.URL += "x${f4w_access_token}" })
	bearer, _ := s.token()
	got, _ := s.call("GET", "/api/v1/customers", "Authorization", "Bearer "+bearer)
	if want := "200 GET /base/x" + url.QueryEscape("@evil.example/#") + "/api/v1/customers"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
