package main_test

import (
	"net/http"
	"testing"
	"time"
)

type rotated struct {
	application
	SecretExpiresAt time.Time `json:"secretExpiresAt"`
}

// Section 3: without an overlap the old secret and its tokens end at once; the
// new one works at once; other applications notice nothing.
func TestRegenerateSecret(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app, other := s.create(admin), s.create(admin)
	tokens := []string{s.token(app), s.token(app), s.token(app)}
	others := s.token(other)

	// The body is optional.
	a := s.do(http.MethodPost, app.path("regenerate-secret"), "", "", bearer(admin)).ok()
	renewed := as[application](a)
	if a.header.Get("Consistency-Token") == "" || renewed.ID != app.ID || renewed.ClientID != app.ClientID {
		t.Errorf("%+v", renewed)
	}
	s.requestToken(app).want(http.StatusUnauthorized)
	s.dead(renewed, tokens...)
	s.live(other, others)
	s.live(renewed, s.token(renewed))
	s.restart()
	s.requestToken(app).want(http.StatusUnauthorized)
	s.dead(renewed, tokens...)
	s.live(renewed, s.token(renewed))
}

// Section 3: overlapSeconds keeps the old secret and its tokens until then;
// a rotation without overlap ends all of them before.
func TestSecretOverlap(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	before := s.token(app)
	first := as[rotated](s.json(http.MethodPost, app.path("regenerate-secret"), settings{"overlapSeconds": 3600}, bearer(admin)).ok())
	if left := time.Until(first.SecretExpiresAt); left <= 59*time.Minute || left > time.Hour {
		t.Errorf("the former secret ends in %v", left)
	}
	during := s.token(app)
	s.live(app, before, during, s.token(first.application))
	s.restart()
	s.live(app, before, during, s.token(app))

	last := as[rotated](s.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(admin)).ok())
	if !last.SecretExpiresAt.IsZero() {
		t.Errorf("a former secret ends at %v", last.SecretExpiresAt)
	}
	s.requestToken(app).want(http.StatusUnauthorized)
	s.requestToken(first.application).want(http.StatusUnauthorized)
	s.dead(last.application, before, during)
}

// An overlap ends by itself.
func TestSecretOverlapEnds(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	token := s.token(app)
	renewed := as[application](s.json(http.MethodPost, app.path("regenerate-secret"), settings{"overlapSeconds": 1}, bearer(admin)).ok())
	kept := s.token(renewed)
	s.eventually("the former token ended", func() bool { return !s.introspect(renewed, token).Active })
	s.requestToken(app).want(http.StatusUnauthorized)
	s.live(renewed, kept)
}

// Bad overlaps change nothing.
func TestBadOverlap(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	position := s.position()
	for _, body := range []string{
		`{"overlapSeconds":-1}`, `{"overlapSeconds":1.5}`, `{"overlapSeconds":"60"}`, `{"overlapSeconds":9223372036854775808}`,
		`{"overlapSeconds":1e400}`, `{"overlapSeconds":null}`, `{"overlapSeconds":60,"overlapSeconds":60}`, `{"overlapseconds":60}`,
		`{"x":1}`, `[]`, `null`, `{`, `{} {}`,
	} {
		s.do(http.MethodPost, app.path("regenerate-secret"), "application/json", body, bearer(admin)).want(http.StatusBadRequest)
	}
	s.do(http.MethodPost, app.path("regenerate-secret"), formType, "overlapSeconds=60", bearer(admin)).want(http.StatusUnsupportedMediaType)
	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}
	s.live(app, s.token(app))
}
