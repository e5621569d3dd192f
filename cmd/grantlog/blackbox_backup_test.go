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
