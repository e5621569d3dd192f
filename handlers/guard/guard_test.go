package guard_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// message is how an error is answered: its words are the contract's.
func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCheck(t *testing.T) {
	s := newSite(t)
	r := s.replica()
	r.acme(events.Limits{})
	odd := application("a4", events.Limits{})
	odd.Audience = `urn:"x`
	audience := application("a2", events.Limits{})
	audience.Audience = "https://api.example"
	r.append(application("a1", events.Limits{}), odd, audience, application("a3", events.Limits{}))

	good := r.token("a1", "read:customers", time.Hour)
	revoked, issued := r.signed("a1", "read:customers", issuer, time.Hour)
	r.append(issued, &events.TokenRevoked{ID: issued.ID, Application: "a1"})
	expired := r.token("a1", "read:customers", 0)
	unseen, _ := r.signed("a1", "read:customers", issuer, time.Hour)
	unseenExpired, _ := r.signed("a1", "read:customers", issuer, -time.Second)
	own, issuedOwn := r.signed("a2", "read:customers", "https://api.example", time.Hour)
	foreign, issuedForeign := r.signed("a2", "read:customers", "https://other.example", time.Hour)
	escaped, issuedEscaped := r.signed("a4", "read:customers", `urn:"x`, time.Hour)
	deleted := r.token("a3", "read:customers", time.Hour)
	r.append(issuedOwn, issuedForeign, issuedEscaped, &events.ApplicationDeleted{ID: "a3"})

	for _, c := range []struct {
		name, token, method, path string
		proxy                     bool
		want                      string
	}{
		{"passes", good, "GET", "/api/v1/customers/7", false, ""},
		{"passes to an upstream", good, "GET", "/api/v1/customers", true, ""},
		{"no scope", good, "POST", "/api/v1/customers", false, "Insufficient scope for this endpoint"},
		{"no scope has the method", good, "DELETE", "/api/v1/customers/7", false, "Insufficient scope for this endpoint"},
		{"no route", good, "GET", "/api/v1/orders", false, "Not found"},
		{"no upstream", good, "POST", "/api/v1/metering", true, "Not found"},
		{"trick", good, "GET", "/api/v1/customers/%2e%2e/orders", false, "The path is malformed"},
		{"altered", good[:len(good)-1] + "X", "GET", "/api/v1/customers/7", false, "Invalid token"},
		{"cut", good[:len(good)-1], "GET", "/api/v1/customers/7", false, "Invalid token"},
		{"foreign", "x.y.z", "GET", "/api/v1/customers/7", false, "Invalid token"},
		{"empty", "", "GET", "/api/v1/customers/7", false, "Invalid token"},
		{"not in the log", unseen, "GET", "/api/v1/customers/7", false, "Invalid token"},
		{"not in the log and expired", unseenExpired, "GET", "/api/v1/customers/7", false, "Token expired"},
		{"expired", expired, "GET", "/api/v1/customers/7", false, "Token expired"},
		{"revoked", revoked, "GET", "/api/v1/customers/7", false, "Token revoked"},
		{"revoked, on no route", revoked, "GET", "/nowhere", false, "Token revoked"},
		{"application deleted", deleted, "GET", "/api/v1/customers/7", false, "Token revoked"},
		{"own audience", own, "GET", "/api/v1/customers/7", false, ""},
		{"another audience", foreign, "GET", "/api/v1/customers/7", false, "The token is meant for another audience"},
		{"own audience, escaped", escaped, "GET", "/api/v1/customers/7", false, ""},
	} {
		call := guard.Call{Token: c.token, Method: c.method, Path: c.path, Proxy: c.proxy}
		pass, err := r.Check(context.Background(), call)
		if message(err) != c.want {
			t.Errorf("%s: %q, want %q", c.name, message(err), c.want)
		}
		if err == nil && (pass.Scope != "read:customers" || pass.Application == nil || pass.Organization.ID != "acme" || pass.Upstream.Name != "api") {
			t.Errorf("%s: passed with %+v", c.name, pass)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := newSite(t)
	r := s.replica()
	r.acme(events.Limits{PerMinute: 30, PerHour: 2000})
	r.append(application("a1", events.Limits{PerMinute: 2, PerHour: 100}))
	token, issued := r.signed("a1", "read:customers write:customers", issuer, time.Hour)
	r.append(issued)

	quota := func(want map[string]string, pass guard.Pass) {
		t.Helper()
		h := http.Header{}
		pass.WriteQuota(h)
		got := map[string]string{}
		for name := range h {
			got[name] = h.Get(name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	}
	pass, err := r.get(token)
	if err != nil {
		t.Fatal(err)
	}
	policy := `"minute";q=2;w=60, "hour";q=100;w=3600, "organization-minute";q=30;w=60, "organization-hour";q=2000;w=3600`
	quota(map[string]string{
		"X-Ratelimit-Limit": "100", "X-Ratelimit-Remaining": "99", "X-Ratelimit-Reset": "1795348860",
		"X-Ratelimit-Organization-Limit": "2000", "X-Ratelimit-Organization-Remaining": "1999",
		"Ratelimit-Policy": policy,
		"Ratelimit":        `"minute";r=1;t=61, "hour";r=99;t=3660, "organization-minute";r=29;t=61, "organization-hour";r=1999;t=3660`,
	}, pass)
	h := http.Header{
		"x-auth-scope": {"forged"}, "X_Auth_Subject": {"forged"}, "X-AUTH_client-id": {"forged"}, "X-Auth-Scope": {"forged", "twice"},
		"X-Auth-Token": {"another header"},
	}
	pass.WriteIdentity(h)
	if diff := cmp.Diff(http.Header{
		"X-Auth-Client-Id": {"app_a1"}, "X-Auth-Application-Id": {"a1"}, "X-Auth-Organization-Id": {"acme"},
		"X-Auth-Scope": {"read:customers write:customers"}, "X-Auth-Subject": {"app_a1"}, "X-Auth-Token-Id": {issued.ID.String()},
		"X-Auth-Token": {"another header"},
	}, h); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	s.pass(10 * time.Second)
	if _, err := r.get(token); err != nil {
		t.Fatal(err)
	}
	pass, err = r.get(token)
	var refused *oauth.Error
	if !errors.As(err, &refused) || refused.Status != 429 || refused.RetryAfter != 51 || refused.Message != "Rate limit exceeded" {
		t.Fatalf("%+v", err)
	}
	quota(map[string]string{
		"X-Ratelimit-Limit": "100", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1795345261",
		"X-Ratelimit-Organization-Limit": "2000", "X-Ratelimit-Organization-Remaining": "1998",
		"Ratelimit-Policy": policy,
		"Ratelimit":        `"minute";r=0;t=51, "hour";r=98;t=3650, "organization-minute";r=28;t=51, "organization-hour";r=1998;t=3650`,
	}, pass)
	if pass, err = r.Check(context.Background(), guard.Call{Token: "x", Method: "GET", Path: "/"}); err == nil {
		t.Fatal("passed")
	}
	quota(map[string]string{}, pass)
}

// A refused call consumes no quota, and is counted as refused.
func TestRefusedCallsConsumeNothing(t *testing.T) {
	s := newSite(t)
	r := s.replica()
	r.acme(events.Limits{})
	r.append(application("a1", events.Limits{PerMinute: 3}))
	token := r.token("a1", "read:customers", time.Hour)
	for range 20 {
		for _, call := range []guard.Call{
			{Token: token, Method: "PUT", Path: "/api/v1/customers/7"},
			{Token: token, Method: "GET", Path: "/nowhere"},
			{Token: token, Method: "GET", Path: "/api/v1/customers/.."},
			{Token: token + "x", Method: "GET", Path: "/api/v1/customers"},
		} {
			if _, err := r.Check(context.Background(), call); err == nil {
				t.Fatalf("%s %s passed", call.Method, call.Path)
			}
		}
	}
	for i := range 5 {
		if _, err := r.get(token); (err == nil) != (i < 3) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	r.stop()
	if got := r.shown("a1"); got != 3 {
		t.Errorf("%d calls are counted, want 3", got)
	}
}

func TestAStaleReplicaDoesNotAnswer(t *testing.T) {
	stale := errors.New("stale")
	g := guard.New(guard.Config{Fresh: func() error { return stale }})
	if _, err := g.Check(context.Background(), guard.Call{}); !errors.Is(err, stale) {
		t.Errorf("got %v", err)
	}
}
