package main_test

import (
	"net"
	"net/http"
	"strconv"
	"testing"
)

// Section 4: ten failures within a minute for one pair of client and address
// give 429 with Retry-After to that pair; nobody else is locked out.
func TestFailedAuthenticationIsThrottled(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app, other := s.create(admin), s.create(admin)
	live := s.token(app)
	s.position() // whose keys may take their time, is there before the minute begins
	wrong := app
	wrong.ClientSecret += "x"
	for range 10 {
		s.requestToken(wrong).want(http.StatusUnauthorized)
	}
	position := s.position()
	for name, a := range map[string]answer{
		"wrong secret":      s.requestToken(wrong),
		"right secret":      s.requestToken(app),
		"by post":           s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_id", app.ClientID, "client_secret", app.ClientSecret}),
		"introspection":     s.form("/oauth/introspect", []string{"token", live}, basic(app)),
		"revocation":        s.form("/oauth/revoke", []string{"token", live}, basic(app)),
		"X-Forwarded-For":   s.form("/oauth/token", []string{"grant_type", "client_credentials"}, basic(app), header("X-Forwarded-For", "192.0.2.1")),
		"X-Real-IP":         s.form("/oauth/token", []string{"grant_type", "client_credentials"}, basic(app), header("X-Real-IP", "192.0.2.1")),
		"Forwarded":         s.form("/oauth/token", []string{"grant_type", "client_credentials"}, basic(app), header("Forwarded", "for=192.0.2.1")),
		"CF-Connecting-IP":  s.form("/oauth/token", []string{"grant_type", "client_credentials"}, basic(app), header("CF-Connecting-IP", "192.0.2.1")),
		"X-Forwarded-Proto": s.form("/oauth/token", []string{"grant_type", "client_credentials"}, basic(app), header("X-Forwarded-Proto", "https")),
	} {
		a.want(http.StatusTooManyRequests)
		if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
			t.Errorf("%s: Retry-After %q", name, a.header.Get("Retry-After"))
		}
	}
	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}

	// Another client at this address, this client at another address, and this
	// client's tokens, are as before.
	s.live(other, live, s.token(other))
	elsewhere := s.in(t)
	elsewhere.base = &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext}
	t.Cleanup(elsewhere.base.(*http.Transport).CloseIdleConnections)
	s.live(other, elsewhere.token(app))
	if got := as[applicationList](s.get("/oauth/applications", bearer(admin)).ok()); len(got.Applications) != 3 {
		t.Errorf("%d applications", len(got.Applications))
	}
}

// What is no wrong secret does not count as a failure, and successes in between
// do not wash failures away.
func TestWhatThrottlingCounts(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	for range 30 {
		s.requestToken(app, "scope", "not:mine").want(http.StatusBadRequest)
		s.form("/oauth/token", []string{"grant_type", "urn:unknown"}, basic(app)).want(http.StatusBadRequest)
	}
	wrong := app
	wrong.ClientSecret = "wrong"
	for range 5 {
		s.requestToken(wrong).want(http.StatusUnauthorized)
		s.token(app)
		s.requestToken(wrong).want(http.StatusUnauthorized)
	}
	s.requestToken(app).want(http.StatusTooManyRequests)
}
