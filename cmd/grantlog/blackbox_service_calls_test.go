package main_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

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
