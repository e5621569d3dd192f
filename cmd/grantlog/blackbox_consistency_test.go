package main_test

import (
	"net/http"
	"strings"
	"testing"
)

// Section 7: every answer to a write carries a Consistency-Token, and a read
// that sends it back reflects the write.
func TestConsistencyToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	created := s.json(http.MethodPost, "/oauth/applications", settings{"name": "x", "scopes": []string{"read"}}, bearer(admin)).want(http.StatusCreated)
	app := as[application](created)
	issued := s.requestToken(app).ok()
	token := as[tokenResponse](issued).AccessToken
	updated := s.json(http.MethodPut, app.path(), settings{"name": "y"}, bearer(admin)).ok()
	renewed := s.json(http.MethodPost, app.path("regenerate-secret"), settings{"overlapSeconds": 60}, bearer(admin)).ok()
	revoked := s.form("/oauth/revoke", []string{"token", token}, basic(app)).ok()
	ended := s.do(http.MethodPost, app.path("revoke-tokens"), "", "", bearer(admin)).ok()
	seen := map[string]bool{}
	for name, a := range map[string]answer{"create": created, "token": issued, "update": updated, "secret": renewed, "revoke": revoked, "revoke all": ended} {
		consistency := a.header.Get("Consistency-Token")
		if consistency == "" || seen[consistency] {
			t.Errorf("%s: Consistency-Token %q", name, consistency)
		}
		seen[consistency] = true
		s.get(app.path(), bearer(admin), header("Consistency-Token", consistency)).ok()
		s.get("/oauth/applications", bearer(admin), header("Consistency-Token", consistency)).ok()
		s.get(app.path("tokens"), bearer(admin), header("Consistency-Token", consistency)).ok()
		s.form("/oauth/introspect", []string{"token", token}, basic(app), header("Consistency-Token", consistency)).exactly(http.StatusOK, inactive)
	}
	s.restart()
	s.get(app.path(), bearer(admin), header("Consistency-Token", ended.header.Get("Consistency-Token"))).ok()
}

// A token of a write that this replica cannot have seen is answered 503 before
// the client gives up, never with an older state; what is no token is 400.
func TestConsistencyTokenOfTheFuture(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	token := s.token(app)
	const future = "gl1-zzzzzzzz"
	for _, a := range []answer{
		s.get(app.path(), bearer(admin), header("Consistency-Token", future)),
		s.get("/oauth/applications", bearer(admin), header("Consistency-Token", future)),
		s.form("/oauth/introspect", []string{"token", token}, basic(app), header("Consistency-Token", future)),
		s.get(app.path(), bearer(admin), header("Consistency-Token", "gl1-1"), header("Consistency-Token", future)),
	} {
		a.want(http.StatusServiceUnavailable)
		if a.header.Get("Retry-After") == "" || !strings.Contains(string(a.body), "does not show the write that the Consistency-Token names") {
			t.Errorf("%s: %v %s", a.what, a.header, a.body)
		}
	}
	for _, bad := range []string{"x", "gl1-", "gl1-!", "gl2-1", "1", "gl1-zzzzzzzzzzzzzzzzzzzz", "gl1--1", "gl1-%31"} {
		s.get(app.path(), bearer(admin), header("Consistency-Token", bad)).want(http.StatusBadRequest)
	}
	s.get(app.path(), bearer(admin), header("Consistency-Token", "gl1-1"), header("Consistency-Token", "x")).want(http.StatusBadRequest)
	s.live(app, token)
}

// Section 7: the health endpoints.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := start(t)
	before := s.position() // what the server does by itself is done: nothing is on its way
	s.get("/healthz").exactly(http.StatusOK, `{"status":"ok"}`)
	got := as[map[string]any](s.get("/readyz").ok().has("Cache-Control", "no-store"))
	if got["status"] != "ready" || got["lag"] != 0.0 || got["logReplicas"] != 1.0 || got["freshness"] == nil || got["leader"] != true || got["beaconAge"] != nil {
		t.Errorf("%v", got)
	}
	app := s.create(s.admin())
	if after := s.position(); after != before+2 {
		t.Errorf("a token and an application took the position from %d to %d", before, after)
	}
	// They need no credentials and mind none.
	s.get("/readyz", bearer("nonsense")).ok()
	s.get("/healthz", basic(app)).ok()
}
