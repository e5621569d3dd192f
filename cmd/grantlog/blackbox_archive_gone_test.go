package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What asks for archived records is refused everywhere in one way, which the
// description of the interface has, and what does not is answered.
func TestWhatWasArchivedIsGone(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	for range 8 {
		s.token(app)
	}
	s.stop()
	first := s.end() - 3
	s.archive(3)
	s.start()
	admin := s.admin()
	gone := func(a answer) {
		t.Helper()
		a.want(http.StatusGone)
		if header := a.header.Get("Log-First-Position"); header != fmt.Sprint(first) || !strings.Contains(string(a.body), "The log before position "+header+" was archived") {
			t.Errorf("%s: %s", header, a.body)
		}
	}
	for _, path := range []string{
		"/oauth/applications?as_of=2", app.path() + "?as_of=2", app.path() + "/tokens?as_of=2", "/oauth/organizations?as_of=2", "/oauth/services?as_of=2",
		"/oauth/users?as_of=2", "/oauth/webhooks?as_of=2", "/oauth/replay/summary?as_of=2", "/oauth/replay/diff?from=2", "/oauth/events?after=2",
		"/oauth/events?until=2020-01-01T00:00:00Z", "/oauth/events?after=2&format=csv", "/oauth/events/stream?after=2", "/oauth/revocations?after=2",
		"/oauth/revocations/stream?after=2", "/oauth/log/records?after=2", "/oauth/log/tile/entries/000.p/3",
	} {
		gone(s.get(path, bearer(admin)))
	}
	gone(s.get("/oauth/events/stream", bearer(admin), header("Last-Event-ID", "2")))
	gone(s.form("/oauth/introspect", []string{"token", "x", "as_of", "2"}, bearer(admin)))
	gone(s.json(http.MethodPost, "/oauth/webhooks", settings{"url": "https://receiver.example/", "after": 2}, bearer(admin)))
	for _, path := range []string{
		"/oauth/applications?as_of=" + fmt.Sprint(first), "/oauth/events", "/oauth/events?order=desc", "/oauth/events?after=" + fmt.Sprint(first-1), "/oauth/revocations",
		"/oauth/log/records", "/oauth/log/records?after=" + fmt.Sprint(first-1), "/oauth/replay/summary", "/oauth/replay/diff?from=" + fmt.Sprint(first),
	} {
		s.get(path, bearer(admin)).ok()
	}
}
