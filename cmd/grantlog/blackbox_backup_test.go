package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections/resource"
)

// backup takes a backup of a running server.
func (s *server) backup(args ...string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "backup")
	r := run(s.t, nil, append([]string{"backup", "--url", s.issuer(), "--admin-file", filepath.Join(s.data, "admin.json"), file}, args...)...)
	if r.code != 0 || !strings.Contains(r.stdout, "position") {
		s.t.Fatalf("backup: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return file
}

// restored returns a server on the restored log, with what an operator keeps
// beside backups; it takes the place of s, which must be stopped, and does not
// run yet.
func (s *server) restored(file string, args ...string) *server {
	s.t.Helper()
	data := s.vacant()
	if r := run(s.t, nil, append([]string{"restore", "--data", data, file}, args...)...); r.code != 0 {
		s.t.Fatalf("restore: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := run(s.t, nil, "verify", "--data", data); r.code != 0 || !strings.Contains(r.stdout, "the log is whole") {
		s.t.Fatalf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	again := *s
	again.data = data
	s.t.Cleanup(again.finish)
	return &again
}

// vacant makes a data directory with the master key and nothing else but the
// administrator's credentials.
func (s *server) vacant() string {
	s.t.Helper()
	data := filepath.Join(s.t.TempDir(), "restored")
	copyTree(s.t, data, s.data, func(path string, _ os.DirEntry) bool {
		return path != "." && path != "master.key" && path != "admin.json"
	})
	return data
}

// busy requests tokens in the background until the test asks for what was
// acknowledged.
func (s *server) busy(app application) (acknowledged func() []string, stop func()) {
	var mu sync.Mutex
	var tokens []string
	ends, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ends:
				return
			default:
			}
			token := s.token(app)
			mu.Lock()
			tokens = append(tokens, token)
			mu.Unlock()
		}
	}()
	acknowledged = func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(tokens)
	}
	return acknowledged, func() { close(ends); <-done }
}

// Issue 6 part 6: what was acknowledged before a backup is in it, while the
// server goes on; a restored log ends every token, and nothing else.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	s := startRefresh(t)
	app := s.create(s.admin(), settings{"name": "Kept", "scopes": []string{"a"}})
	before := s.token(app)
	session := s.begin("app_mobile")
	verifier := s.resourceServer()

	acknowledged, stop := s.busy(app)
	s.eventually("tokens are issued", func() bool { return len(acknowledged()) > 5 })
	known := acknowledged()
	file := s.backup()
	stop()

	later := s.create(s.admin(), settings{"name": "Lost", "scopes": []string{"a"}})
	lost := s.token(later)
	wantVerdict(t, verifier, lost, nil)
	tag := s.get(app.path(), bearer(s.admin())).ok().header.Get("ETag")
	for range 5 { // so that the restored log comes to none of these positions soon
		s.token(app)
	}
	future := s.json(http.MethodPut, app.path(), settings{"name": "Renamed", "scopes": []string{"a"}}, bearer(s.admin())).ok()
	feed := s.listen("/oauth/revocations/stream", s.admin(), "")
	s.form("/oauth/revoke", []string{"token", before}, basic(app)).ok()
	place, ok := feed.next()
	if !ok {
		t.Fatal("no revocation came")
	}
	feed.cancel()
	s.stop()

	again := s.restored(file)
	again.start()
	admin := again.admin()
	for _, token := range append([]string{before, session.AccessToken, lost}, known...) {
		if again.introspect(app, token).Active {
			t.Fatal("a token from before the restoration is live")
		}
	}
	refused(again.refresh("app_mobile", session.RefreshToken, ""))
	if got := as[application](again.get(app.path(), bearer(admin)).ok()); got.Name != "Kept" {
		t.Errorf("the application is called %q", got.Name)
	}
	again.get(later.path(), bearer(admin)).want(http.StatusNotFound)
	fresh := again.token(app)
	again.live(app, fresh)
	if people := again.users(again.token(manager), ""); len(people) != 1 || people[0].Email != agentEmail {
		t.Errorf("users %+v", people)
	}
	again.refreshed("app_mobile", again.begin("app_mobile").RefreshToken, "")

	ended := as[struct {
		Revocations []map[string]any `json:"revocations"`
		Next        string           `json:"next"`
	}](again.get("/oauth/revocations?after=0&organization=acme", bearer(admin)).ok())
	if n := ended.Revocations; len(n) != 1 || n[0]["reason"] != "log_restored" || n[0]["before"] != n[0]["position"] || n[0]["applicationId"] != nil {
		t.Errorf("the feed shows %v", n)
	}
	again.refusesLostPlaces(app, admin, tag, future, place.id)
	again.get("/oauth/revocations?after="+ended.Next, bearer(admin)).ok()
	again.eventually("the verifier knows that the token is lost", func() bool {
		_, err := verifier.Verify(t.Context(), lost)
		return err == resource.ErrRevoked
	})
	again.eventually("the verifier accepts a new one", func() bool {
		_, err := verifier.Verify(t.Context(), fresh)
		return err == nil
	})
}

// refusesLostPlaces checks that what clients were told of a log that is lost is
// refused, and what they are told now is not.
func (s *server) refusesLostPlaces(app application, admin, tag string, future answer, place string) {
	s.t.Helper()
	consistency := future.header.Get("Consistency-Token")
	s.get(app.path(), bearer(admin), header("Consistency-Token", consistency)).want(http.StatusBadRequest)
	s.json(http.MethodPut, app.path(), settings{"name": "x"}, bearer(admin), header("If-Match", future.header.Get("ETag"))).want(http.StatusPreconditionFailed)
	s.get("/oauth/revocations/stream", bearer(admin), header("Last-Event-ID", place)).want(http.StatusBadRequest)
	s.get("/oauth/events/stream", bearer(admin), header("Last-Event-ID", place)).want(http.StatusBadRequest)
	s.get("/oauth/revocations?after="+place, bearer(admin)).want(http.StatusBadRequest)
	s.get("/oauth/revocations?after="+place+"~nosuch1", bearer(admin)).want(http.StatusBadRequest)

	written := s.json(http.MethodPut, app.path(), settings{"name": "Kept"}, bearer(admin), header("If-Match", tag)).ok()
	s.get(app.path(), bearer(admin), header("Consistency-Token", written.header.Get("Consistency-Token"))).ok().has("ETag", written.header.Get("ETag"))
	s.json(http.MethodPut, app.path(), settings{"name": "Kept"}, bearer(admin), header("If-Match", written.header.Get("ETag"))).ok()
	feed := s.listen("/oauth/revocations/stream", admin, "")
	for range 2 {
		s.form("/oauth/revoke", []string{"token", s.token(app)}, basic(app)).ok()
	}
	first, _ := feed.next()
	second, _ := feed.next()
	feed.cancel()
	resumed := s.listen("/oauth/revocations/stream", admin, first.id)
	resumed.want("revocation", map[string]any{"jti": second.data["jti"]})
	if !strings.Contains(first.id, "~") {
		s.t.Errorf("the id %q names no epoch", first.id)
	}
}

// With --keep-tokens the log goes on as it stood: what was revoked before is
// dead, what was live is live, third-party tokens are readable.
func TestRestoreKeepsTokens(t *testing.T) {
	t.Parallel()
	s := startWithProvider(t, newThirdParty(t))
	app := s.create(s.admin(), settings{"scopes": []string{"a"}})
	live, dead := s.token(app), s.token(app)
	s.form("/oauth/revoke", []string{"token", dead}, basic(app)).ok()
	made := as[stored](s.json(http.MethodPost, authenticationsPath, realLogin, bearer(s.tenant("scheduler"))).want(http.StatusCreated))
	s.stop()
	file := filepath.Join(t.TempDir(), "backup")
	if r := run(t, nil, "backup", "--data", s.data, file); r.code != 0 {
		t.Fatalf("%d\n%s", r.code, r.stderr)
	}
	if r := run(t, nil, "verify", "--data", s.data, "--backup", file); r.code != 0 || !strings.Contains(r.stdout, "the log is whole") {
		t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	again := s.restored(file, "--keep-tokens")
	again.start()
	again.live(app, live)
	again.dead(app, dead)
	if got := as[stored](again.get(authenticationsPath+"/"+made.ID, bearer(again.tenant("scheduler"))).ok()); got != made {
		t.Errorf("restored %+v, stored %+v", got, made)
	}
}

// A person who was erased after a backup stays erased where the keys come from
// a later one; who was not is readable.
func TestRestoreDoesNotBringPeopleBack(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	token := s.token(manager)
	gone := s.createUser(token, "gone@example.com")
	log := s.backup("--contents", "log")
	s.do(http.MethodDelete, gone.path(), "", "", bearer(token)).want(http.StatusNoContent)
	s.eventually("the person is erased", func() bool {
		return strings.Contains(string(s.get("/oauth/events?type=user.erased", bearer(s.admin())).ok().body), gone.ID)
	})
	keys := s.backup("--contents", "keys")
	s.stop()
	again := s.restored(log, "--keys", keys)
	again.start()
	emails := map[string]bool{}
	for _, u := range again.users(again.token(manager), "") {
		emails[u.Email] = true
	}
	if len(emails) != 2 || !emails[agentEmail] || !emails[""] {
		t.Errorf("the restored log tells of %v", emails)
	}
	again.userToken(agentEmail)
	again.login("gone@example.com", agentPassword).want(http.StatusBadRequest)
}

// Whatever is wrong with a backup, or in the way, is one clear line, and nothing
// is changed.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	s := start(t)
	file := s.backup()
	r := run(t, nil, "backup", "--data", s.data, filepath.Join(t.TempDir(), "other"))
	if r.code != 1 {
		t.Errorf("a running server's directory: exit code %d", r.code)
	}
	oneClearLine(t, r, "in use", "backup --url "+s.issuer())
	r = run(t, nil, "restore", "--data", s.data, file)
	if r.code != 1 {
		t.Errorf("onto a running server: exit code %d", r.code)
	}
	oneClearLine(t, r, "in use")
	s.stop()

	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 4
	for name, c := range map[string]struct {
		content string
		env     []string
		code    int
		words   []string
	}{
		"flipped":        {string(flipped), nil, 1, []string{"damaged"}},
		"cut":            {string(whole[:len(whole)-9]), nil, 1, []string{"cut short"}},
		"newer":          {strings.Replace(string(whole), "backup 1", "backup 7", 1), nil, 1, []string{"newer"}},
		"wrong key":      {string(whole), []string{"GRANTLOG_MASTER_KEY=" + strings.Repeat("A", 43) + "="}, 1, []string{"master key"}},
		"something else": {"a list of things to do\n", nil, 2, []string{"not a backup"}},
	} {
		data := s.vacant()
		r := run(t, c.env, "restore", "--data", data, writeFile(t, "backup", c.content))
		if r.code != c.code || r.stdout != "" {
			t.Errorf("%s: exit code %d, want %d\n%s", name, r.code, c.code, r.stdout)
		}
		oneClearLine(t, r, c.words...)
		left, err := os.ReadDir(data)
		if err != nil || len(left) != 2 {
			t.Errorf("%s: the directory holds %v, %v", name, left, err)
		}
		if name == "wrong key" {
			continue
		}
		if r := run(t, c.env, "verify", "--data", data, "--backup", writeFile(t, "backup", c.content)); r.code != c.code {
			t.Errorf("%s: verify says %d\n%s", name, r.code, r.stderr)
		}
	}
	older := blocks(t, s.data)
	for _, args := range [][]string{
		{"restore", "--data", s.data, file},
		{"backup", "--data", s.data, file},
		{"backup", "--data", filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "x")},
		{"backup", "--data", s.data, "--contents", "most", filepath.Join(t.TempDir(), "x")},
		{"restore", "--data", filepath.Join(t.TempDir(), "none"), file},
		{"restore", "--data", s.vacant(), filepath.Join(t.TempDir(), "no such backup")},
		{"restore", "--data", s.vacant(), "--log-replicas", "3", file},
	} {
		r := run(t, nil, args...)
		if r.code != 2 {
			t.Errorf("%v: exit code %d, want 2\n%s", args, r.code, r.stderr)
		}
		oneClearLine(t, r)
	}
	if !slices.Equal(blocks(t, s.data), older) {
		t.Error("a log was touched")
	}
	s.start()
}

// A log on an external NATS is backed up and restored there, from one to
// another; onto a log it is not.
func TestBackupOnNATS(t *testing.T) {
	t.Parallel()
	from, to := journaltest.New(t, journaltest.Listen()), journaltest.New(t, journaltest.Listen())
	key := "GRANTLOG_MASTER_KEY=" + strings.Repeat("A", 43) + "="
	s := prepare(t, "--nats", from.URL())
	s.env = append(s.env, key)
	s.start()
	app := s.create(s.admin(), settings{"scopes": []string{"a"}})
	token := s.token(app)
	file := filepath.Join(t.TempDir(), "backup")
	if r := run(t, s.env, "backup", "--nats", from.URL(), file); r.code != 0 {
		t.Fatalf("%d\n%s", r.code, r.stderr)
	}
	r := run(t, s.env, "restore", "--nats", from.URL(), file)
	if r.code != 2 {
		t.Errorf("onto a log: exit code %d", r.code)
	}
	oneClearLine(t, r, "there already")
	s.live(app, token)
	if r := run(t, s.env, "restore", "--nats", to.URL(), file); r.code != 0 {
		t.Fatalf("%d\n%s", r.code, r.stderr)
	}
	if r := run(t, s.env, "verify", "--nats", to.URL(), "--data", t.TempDir()); r.code != 0 {
		t.Errorf("verify: %d\n%s", r.code, r.stderr)
	}
	again := prepare(t, "--nats", to.URL())
	again.env = s.env
	again.start()
	again.dead(app, token)
	again.live(app, again.token(app))
}

// GET /oauth/log/backup is for administrators, and says what it does not know.
func TestBackupEndpoint(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin, settings{"scopes": []string{"events:read", "applications:read"}})
	s.get("/oauth/log/backup").want(http.StatusUnauthorized)
	s.get("/oauth/log/backup", bearer(s.token(app))).want(http.StatusForbidden)
	for _, query := range []string{"contents=most", "contents=log&contents=keys"} {
		s.get("/oauth/log/backup?"+query, bearer(admin)).want(http.StatusBadRequest)
	}
	for _, contents := range []string{"", "?contents=all", "?contents=log", "?contents=keys"} {
		a := s.get("/oauth/log/backup"+contents, bearer(admin)).ok().has("Content-Type", "application/octet-stream")
		if !bytes.HasPrefix(a.body, []byte("grantlog backup 1\n")) {
			t.Errorf("%s: %.20q", contents, a.body)
		}
	}
	all := s.get("/oauth/log/backup", bearer(admin)).ok().body
	for _, secret := range []string{app.ClientSecret, admin, s.administrator().ClientSecret} {
		if bytes.Contains(all, []byte(secret)) {
			t.Error("a secret stands in the backup in clear")
		}
	}
	if got := fmt.Sprint(s.do(http.MethodPost, "/oauth/log/backup", "", "", bearer(admin), undescribed).status); got != "405" {
		t.Errorf("POST: %s", got)
	}
}

// Issue 6 part 6: analysts get the same lines from a server, its directory and a
// backup, filtered, and no secret.
func TestExport(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	app := s.create(s.admin(), settings{"scopes": []string{"a"}})
	s.token(app)
	s.userToken(agentEmail)
	file := s.backup()
	export := func(args ...string) string {
		t.Helper()
		r := run(t, nil, append([]string{"export"}, args...)...)
		if r.code != 0 {
			t.Fatalf("export %v: %d\n%s", args, r.code, r.stderr)
		}
		return r.stdout
	}
	filters := []string{"--organization", "acme", "--type", "token.issued,user.created,application.created", "--since", "1", "--ndjson", "-"}
	served := export(append(filters, "--url", s.issuer(), "--admin-file", filepath.Join(s.data, "admin.json"))...)
	if !strings.Contains(served, "user.created") || !strings.Contains(served, "token.issued") || strings.Contains(served, app.ID) {
		t.Errorf("exported:\n%s", served)
	}
	for _, secret := range []string{agentEmail, strings.ToLower(agentEmail), usersSecret, `"sealed"`, `"digest"`, `"password":"`} {
		if strings.Contains(served, secret) {
			t.Errorf("the export holds %s", secret)
		}
	}
	s.stop()
	for name, from := range map[string][]string{"a directory": {"--data", s.data}, "a backup": {"--data", s.data, "--backup", file}} {
		if got := export(append(filters, from...)...); got != served {
			t.Errorf("from %s:\n%s\nfrom the server:\n%s", name, got, served)
		}
	}
	path := filepath.Join(t.TempDir(), "events.csv")
	export("--data", s.data, "--csv", path, "--until", "3")
	rows, err := os.ReadFile(path)
	if lines := strings.Count(string(rows), "\r\n"); err != nil || !strings.HasPrefix(string(rows), "position,time,type") || lines < 4 {
		t.Errorf("%d lines, %v:\n%s", lines, err, rows)
	}
	for _, args := range [][]string{
		{"--data", s.data},
		{"--data", s.data, "--csv", path},
		{"--data", s.data, "--csv", "-", "--ndjson", "-"},
		{"--data", s.data, "--csv", "-", "--since", "yesterday"},
		{"--data", s.data, "--csv", "-", "--until", "2999-01-01T00:00:00Z"},
		{"--data", s.data, "--csv", "-", "--type", "no.such"},
		{"--data", t.TempDir(), "--csv", "-"},
	} {
		r := run(t, nil, append([]string{"export"}, args...)...)
		if r.code != 2 {
			t.Errorf("export %v: exit code %d, want 2\n%s", args, r.code, r.stderr)
		}
		oneClearLine(t, r)
	}
}
