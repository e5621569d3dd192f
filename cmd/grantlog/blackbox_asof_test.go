package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asOf introspects a token as the administrator, at a moment.
func (s *server) asOf(token, moment string) answer {
	s.t.Helper()
	return s.form("/oauth/introspect", []string{"token", token, "as_of", moment}, basic(s.administrator())).ok()
}

// Section 8: introspection, applications and their tokens answer for a moment
// of the past, also of what is gone since, before and after a restart.
func TestAsOf(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	token := s.token(app)
	issued := as[struct{ Position json.Number }](s.get("/readyz").ok()).Position.String()
	then := time.Now().UTC().Format(time.RFC3339Nano)
	s.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(admin)).ok()
	rotated := as[struct{ Position json.Number }](s.get("/readyz").ok()).Position.String()
	s.do(http.MethodDelete, app.path(), "", "", bearer(admin)).want(http.StatusNoContent)

	check := func() {
		t.Helper()
		for moment, want := range map[string]bool{issued: true, then: true, rotated: false, "1": false} {
			if got := as[introspection](s.asOf(token, moment)); got.Active != want || want && got.ClientID != app.ClientID {
				t.Errorf("as of %s: %+v", moment, got)
			}
		}
		s.asOf(token, issued).has("As-Of-Position", issued)
		s.get(app.path(), bearer(admin)).want(http.StatusNotFound)
		was := as[application](s.get(app.path()+"?as_of="+then, bearer(admin)).ok())
		if was.ID != app.ID || !was.SecretCreatedAt.Equal(app.SecretCreatedAt) {
			t.Errorf("the application was %+v", was)
		}
		if live := as[tokenList](s.get(app.path("tokens")+"?as_of="+issued, bearer(admin)).ok()); len(live.Tokens) != 1 {
			t.Errorf("live were %+v", live)
		}
		if live := as[tokenList](s.get(app.path("tokens")+"?as_of="+rotated, bearer(admin)).ok()); len(live.Tokens) != 0 {
			t.Errorf("after the rotation, live were %+v", live)
		}
	}
	check()
	s.restart()
	check()
}

// Section 8: services and users, too, as they were.
func TestAsOfOfServicesAndUsers(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	service := as[struct{ UUID string }](s.json(http.MethodPost, "/oauth/services", settings{
		"profile": "p", "environment": "e", "name": "Before", "authType": "oauth", "upstream": "https://api.example.com",
	}, bearer(admin)).want(http.StatusCreated)).UUID
	user := as[struct{ ID string }](s.json(http.MethodPost, "/oauth/users", settings{
		"email": "agent@example.com", "role": "BEFORE", "siteId": 1,
	}, bearer(admin)).want(http.StatusCreated)).ID
	then := "?as_of=" + as[struct{ Position json.Number }](s.get("/readyz").ok()).Position.String()
	s.json(http.MethodPut, "/oauth/services/"+service, settings{"name": "After"}, bearer(admin)).ok()
	s.json(http.MethodPut, "/oauth/users/"+user, settings{"role": "AFTER"}, bearer(admin)).ok()
	for _, path := range []string{"/oauth/services/" + service, "/oauth/services", "/oauth/users/" + user, "/oauth/users"} {
		was, is := string(s.get(path+then, bearer(admin)).ok().body), string(s.get(path, bearer(admin)).ok().body)
		if !strings.Contains(strings.ToUpper(was), "BEFORE") || !strings.Contains(strings.ToUpper(is), "AFTER") {
			t.Errorf("%s was %s and is %s", path, was, is)
		}
	}
	s.do(http.MethodDelete, "/oauth/services/"+service, "", "", bearer(admin)).want(http.StatusNoContent)
	s.get("/oauth/services/"+service+then, bearer(admin)).ok()
	s.get("/oauth/services/"+service+"/credentials"+then, bearer(admin)).ok()
}

// Section 8: the past is no way around who may see what, and an altered token
// was never active.
func TestAsOfWidensNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	s.json(http.MethodPost, "/oauth/organizations", map[string]any{"id": "other", "name": "Other"}, bearer(admin)).want(http.StatusCreated)
	own := s.create(admin)
	foreign := as[application](s.json(http.MethodPost, "/oauth/applications?organization=other",
		settings{"name": "Foreign", "scopes": []string{"applications:read", "tokens:introspect"}}, bearer(admin)).want(http.StatusCreated))
	token, stranger := s.token(own), s.token(foreign)
	now := as[struct{ Position json.Number }](s.get("/readyz").ok()).Position.String()

	s.get(own.path()+"?as_of="+now, bearer(stranger)).want(http.StatusNotFound)
	s.get(own.path("tokens")+"?as_of="+now, bearer(stranger)).want(http.StatusNotFound)
	s.get("/oauth/applications?organization=default&as_of="+now, bearer(stranger)).want(http.StatusForbidden)
	s.get(own.path()+"?as_of="+now, bearer(token)).want(http.StatusForbidden)
	s.form("/oauth/introspect", []string{"token", token, "as_of", now}).want(http.StatusUnauthorized)
	s.form("/oauth/introspect", []string{"token", token, "as_of", now}, bearer(stranger)).exactly(http.StatusOK, `{"active":false}`)
	s.asOf(token[:len(token)-1], now).exactly(http.StatusOK, `{"active":false}`)
	s.asOf(token+"x", now).exactly(http.StatusOK, `{"active":false}`)
	for _, moment := range []string{"0", "-1", "999999999", "2h", "9999-01-01T00:00:00Z", strings.Repeat("9", 100), "\u202e"} {
		s.form("/oauth/introspect", []string{"token", token, "as_of", moment}, basic(s.administrator())).want(http.StatusBadRequest)
		s.get(own.path()+"?as_of="+url.QueryEscape(moment), bearer(admin)).want(http.StatusBadRequest)
	}
}

// Section 8: the command answers while the server runs, by way of the server,
// and afterwards from its directory, with one state hash on any number of
// processors.
func TestReplayCommand(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	token := s.token(app)
	id := s.introspect(app, token).ID
	s.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(admin)).ok()
	s.position()
	credentials := []string{"--url", s.issuer(), "--admin-file", filepath.Join(s.data, "admin.json")}

	if r := run(t, nil, "replay", "--data", s.data); r.code != 1 {
		t.Errorf("on the directory of a running server: exit code %d", r.code)
	} else {
		oneClearLine(t, r, "in use", "--url "+s.issuer())
	}
	for _, question := range [][]string{{}, {"--state-hash"}, {"--as-of", "3"}, {"--diff", "2..4"}} {
		if r := run(t, nil, append(append([]string{"replay"}, question...), credentials...)...); r.code != 0 || r.stderr != "" || !json.Valid([]byte(r.stdout)) {
			t.Errorf("%v: %d\n%s%s", question, r.code, r.stdout, r.stderr)
		}
	}
	asked := run(t, nil, append([]string{"replay", "--lineage", id}, credentials...)...)
	if asked.code != 0 || !strings.Contains(asked.stdout, `"reason": "secret_rotated"`) {
		t.Errorf("%d\n%s%s", asked.code, asked.stdout, asked.stderr)
	}
	s.stop()
	var found struct {
		Status string
		Path   []struct{ Type, Correlation string }
	}
	read := run(t, nil, "replay", "--lineage", id, "--data", s.data)
	if err := json.Unmarshal([]byte(read.stdout), &found); err != nil || read.code != 0 || read.stderr != "" {
		t.Fatalf("%d %v\n%s%s", read.code, err, read.stdout, read.stderr)
	}
	var path []string
	for _, link := range found.Path {
		path = append(path, link.Type)
		if link.Correlation == "" && !strings.HasPrefix(link.Type, "key.") { // the server's own doing
			t.Errorf("%s names no request", link.Type)
		}
	}
	want := "key.created key.activated application.created token.issued application.secret_rotated"
	if found.Status != "revoked" || strings.Join(path, " ") != want {
		t.Errorf("%s: %v", found.Status, path)
	}
	for _, secret := range []string{token, app.ClientSecret} {
		if strings.Contains(asked.stdout+read.stdout, secret) {
			t.Error("a secret is printed")
		}
	}
	one := run(t, []string{"GOMAXPROCS=1"}, "replay", "--state-hash", "--data", s.data, "--out", "table")
	four := run(t, []string{"GOMAXPROCS=4"}, "replay", "--state-hash", "--data", s.data, "--out", "table")
	hash := func(out string) string { f := strings.Fields(out); return f[len(f)-1] }
	if one.code != 0 || hash(one.stdout) != hash(four.stdout) || !strings.Contains(run(t, nil, "verify", "--data", s.data).stdout, hash(one.stdout)) {
		t.Errorf("hashes:\n%s%s%s", one.stdout, four.stdout, one.stderr)
	}
}

// Section 8: what the command asks a server for concerns the whole log, so it
// is for administrators.
func TestReplayOfTheWholeLog(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	s.json(http.MethodPut, app.path(), settings{"name": "Renamed <&>", "limits": settings{"perMinute": 7, "perHour": 70}}, bearer(admin)).ok()
	now := s.position()
	type summary struct {
		AsOf         struct{ Position uint64 }
		Applications int
		StateHash    string
	}
	const path = "/oauth/replay/summary"
	current := as[summary](s.get(path, bearer(admin)).ok())
	if current.Applications != 2 || current.AsOf.Position < now {
		t.Errorf("%+v", current)
	}
	if then := as[summary](s.get(path+"?as_of=3", bearer(admin)).ok()); then.Applications != 1 || then.AsOf.Position != 3 || then.StateHash == current.StateHash {
		t.Errorf("%+v", then)
	}
	diff := s.get(fmt.Sprintf("/oauth/replay/diff?from=3&to=%d", now), bearer(admin)).ok()
	if !strings.Contains(string(diff.body), `"to":"Renamed <&>"`) {
		t.Errorf("%s", diff.body)
	}
	s.get("/oauth/replay/diff?from=3", bearer(admin)).ok()
	for _, bad := range []string{"", "?from=", "?from=0", "?from=3&to=", "?from=3&to=2", "?from=3&to=1000000", "?from=x", "?from=3&from=4", "?from=9999-01-01T00:00:00Z"} {
		s.get("/oauth/replay/diff"+bad, bearer(admin)).want(http.StatusBadRequest)
	}
	s.get(path+"?as_of=1000000", bearer(admin)).want(http.StatusBadRequest)
	for _, p := range []string{path, "/oauth/replay/diff?from=3"} {
		s.get(p, bearer(s.token(app))).want(http.StatusForbidden)
		s.get(p).want(http.StatusUnauthorized)
	}
}

// Section 8: the events of one token.
func TestEventsOfAToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	token := s.token(app)
	s.token(app)
	id := s.introspect(app, token).ID
	s.form("/oauth/revoke", []string{"token", token}, basic(app)).ok()
	list := as[struct {
		Events []struct {
			Type string
			Data struct{ JTI string }
		}
	}](s.get("/oauth/events?token="+id, bearer(admin)).ok())
	var types []string
	for _, e := range list.Events {
		if types = append(types, e.Type); e.Data.JTI != id {
			t.Errorf("%s of %s", e.Type, e.Data.JTI)
		}
	}
	if strings.Join(types, " ") != "token.issued token.revoked" {
		t.Errorf("events %v", types)
	}
	for _, bad := range []string{"x", strings.ToUpper(id) + "A", id[1:], id + "&token=" + id} {
		s.get("/oauth/events?token="+bad, bearer(admin)).want(http.StatusBadRequest)
	}
}
