package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sseEvent is one event of a stream.
type sseEvent struct {
	id, name string
	data     map[string]any
}

// stream is an open SSE answer.
type stream struct {
	t      testing.TB
	lines  *bufio.Scanner
	cancel func()
}

// listen opens a stream; resume, if not empty, is the Last-Event-ID.
func (s *server) listen(path, token, resume string) *stream {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if resume != "" {
		r.Header.Set("Last-Event-ID", resume)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%s: status %d, type %q", path, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return &stream{t: s.t, lines: bufio.NewScanner(resp.Body), cancel: cancel}
}

// next returns the next event; ok is false at the end of the stream.
func (s *stream) next() (e sseEvent, ok bool) {
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				s.t.Fatalf("data %q: %v", value, err)
			}
		case "":
			if e.data != nil {
				return e, true
			}
		}
	}
	return sseEvent{}, false
}

// want reads an event and compares some of its members.
func (s *stream) want(name string, members map[string]any) sseEvent {
	s.t.Helper()
	e, ok := s.next()
	if !ok {
		s.t.Fatalf("the stream ended; want %s %v", name, members)
	}
	if e.name != name {
		s.t.Fatalf("event %s %v, want %s", e.name, e.data, name)
	}
	for member, value := range members {
		if e.data[member] != value {
			s.t.Errorf("%s is %v in %v, want %v", member, e.data[member], e.data, value)
		}
	}
	return e
}

// Contract section 6: a revocation reaches every listener from the log, and a
// listener that comes back misses none and gets none twice.
func TestRevocationStream(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin, settings{"scopes": []string{"a"}})
	first, second := s.token(app), s.token(app)
	_, claims := decode(t, first)

	listener := s.listen("/oauth/revocations/stream", admin, "")
	s.form("/oauth/revoke", []string{"token", first}, basic(app)).ok()
	seen := listener.want("revocation", map[string]any{
		"organizationId": "default", "applicationId": app.ID, "jti": claims["jti"], "reason": "revoked_by_client",
	})
	listener.cancel()

	s.form("/oauth/revoke", []string{"token", second}, basic(app)).ok()
	s.json(http.MethodPost, app.path("regenerate-secret"), map[string]any{}, bearer(admin)).ok()
	s.json(http.MethodDelete, app.path(), nil, bearer(admin)).want(http.StatusNoContent)

	s.restart() // the listener's place outlives the replica
	resumed := s.listen("/oauth/revocations/stream", s.admin(), seen.id)
	_, claims = decode(t, second)
	resumed.want("revocation", map[string]any{"jti": claims["jti"]})
	rotated := resumed.want("revocation", map[string]any{"reason": "secret_rotated", "applicationId": app.ID})
	if rotated.data["before"] != rotated.data["position"] || strconv.FormatFloat(rotated.data["position"].(float64), 'f', -1, 64) != rotated.id {
		t.Errorf("a rotation says %v with id %s", rotated.data, rotated.id)
	}
	resumed.want("revocation", map[string]any{"reason": "application_deleted", "applicationId": app.ID})
}

// Contract section 6: poll.
func TestRevocationPoll(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin, settings{"scopes": []string{"a"}})
	type polled struct {
		Revocations []map[string]any `json:"revocations"`
		Position    uint64           `json:"position"`
	}
	empty := as[polled](s.get("/oauth/revocations?after=0", bearer(admin)).ok())
	if len(empty.Revocations) != 0 || empty.Position == 0 {
		t.Fatalf("before anything ended: %+v", empty)
	}
	for range 3 {
		s.form("/oauth/revoke", []string{"token", s.token(app)}, basic(app)).ok()
	}
	var got []map[string]any
	for after := empty.Position; ; {
		page := as[polled](s.get("/oauth/revocations?limit=2&after="+strconv.FormatUint(after, 10), bearer(admin)).ok())
		if len(page.Revocations) == 0 {
			break
		}
		got, after = append(got, page.Revocations...), page.Position
	}
	if len(got) != 3 {
		t.Errorf("%d revocations, want 3: %v", len(got), got)
	}
	for _, bad := range []string{"after=x", "after=-1", "after=1.x", "limit=0", "limit=201"} {
		s.get("/oauth/revocations?"+bad, bearer(admin)).want(http.StatusBadRequest)
	}
}

// Contract section 6 and 8: a feed shows its own organization only.
func TestFeedsKeepTenantsApart(t *testing.T) {
	t.Parallel()
	s := startTenants(t)
	mine, other := s.tenant("acme"), s.tenant("globex")
	app := s.create(other, settings{"scopes": []string{"a"}})
	s.json(http.MethodDelete, app.path(), nil, bearer(other)).want(http.StatusNoContent)
	for _, path := range []string{"/oauth/revocations?after=0", "/oauth/events?limit=200"} {
		if body := string(s.get(path, bearer(mine)).ok().body); strings.Contains(body, app.ID) || strings.Contains(body, "globex") {
			t.Errorf("%s shows another organization's events: %s", path, body)
		}
		s.get(path+"&organization=globex", bearer(mine)).want(http.StatusForbidden)
	}
}

// Contract section 8: events are filtered, paged in log order, and carry no
// secret, sealed or digested value.
func TestAuditEvents(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin, settings{"scopes": []string{"a"}})
	s.token(app)
	type listed struct {
		Events []map[string]any `json:"events"`
		Next   string           `json:"nextCursor"`
	}
	var types []any
	last := 0.0
	for path := "/oauth/events?limit=1&application=" + app.ID; ; {
		page := as[listed](s.get(path, bearer(admin)).ok())
		for _, e := range page.Events {
			types = append(types, e["type"])
			if at := e["position"].(float64); at < last {
				t.Errorf("position %v comes after %v", at, last)
			} else {
				last = at
			}
		}
		if page.Next == "" {
			break
		}
		path = "/oauth/events?limit=1&application=" + app.ID + "&cursor=" + page.Next
		s.get("/oauth/events?limit=1&cursor="+page.Next, bearer(admin)).want(http.StatusBadRequest) // another list's
	}
	if len(types) != 2 || types[0] != "application.created" || types[1] != "token.issued" {
		t.Errorf("the application's events are %v", types)
	}
	everything := string(s.get("/oauth/events?limit=200", bearer(admin)).ok().body)
	for _, secret := range []string{`"sealed"`, `"wrapped"`, `"digest"`, `"secret":"`, app.ClientSecret} {
		if strings.Contains(everything, secret) {
			t.Errorf("the audit list holds %s", secret)
		}
	}
	for query, status := range map[string]int{
		"type=token.issued": 200, "type=no.such": 400, "since=yesterday": 400, "until=2999-01-01T00:00:00Z": 200,
		"after=x": 400, "before=-1": 400, "since=2999-01-01T00:00:00Z": 200, "actor=nobody": 200,
	} {
		s.get("/oauth/events?"+query, bearer(admin)).want(status)
	}
	if page := as[listed](s.get("/oauth/events?since=2999-01-01T00:00:00Z", bearer(admin)).ok()); len(page.Events) != 0 {
		t.Errorf("events of the future: %v", page.Events)
	}
}

// Contract section 8 and SECURITY: a stream ends with the token it was opened
// with.
func TestStreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	watcher := s.create(admin, settings{"scopes": []string{"events:read", "revocations:read"}})
	token := s.token(watcher)
	audit := s.listen("/oauth/events/stream", token, "")
	feed := s.listen("/oauth/revocations/stream", token, "")
	s.form("/oauth/revoke", []string{"token", token}, basic(watcher)).ok()
	s.create(admin, settings{"scopes": []string{"a"}}) // not to be seen any more
	for range 2 {
		// The revocation itself may still be told; what comes after it may not.
		if e, ok := audit.next(); ok && e.name != "token.revoked" {
			t.Errorf("after its token ended, a stream still gave %s", e.name)
		}
		if e, ok := feed.next(); ok && e.name != "revocation" {
			t.Errorf("after its token ended, a feed still gave %s", e.name)
		}
	}
}
