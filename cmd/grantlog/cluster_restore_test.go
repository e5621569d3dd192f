package main_test

import (
	"encoding/base64"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A backup, here of a log whose beginning was archived, is restored to a
// cluster whose members wait for it.
func TestRestoringToACluster(t *testing.T) {
	t.Parallel()
	c := prepareCluster(t, "--await-log")
	former := prepare(t, c.key, "--issuer", c.members[0].issuer())
	former.start()
	admin := former.administrator()
	app := former.create(former.token(admin))
	token := former.token(app)
	former.stop()
	dir := t.TempDir()
	archive, file := filepath.Join(dir, "archive"), filepath.Join(dir, "backup")
	for _, args := range [][]string{{"archive", "--before", "4", "--out", archive}, {"backup", file}} {
		if r := run(t, nil, append(args, "--data", former.data, c.key)...); r.code != 0 {
			t.Fatalf("%s: %d\n%s%s", args, r.code, r.stdout, r.stderr)
		}
	}

	for _, s := range c.members {
		s.launch()
	}
	for _, s := range c.members {
		s.eventually("a member waits for a log", func() bool {
			if status, err := s.probe("/healthz"); err != nil || status != http.StatusOK {
				return false
			}
			got := s.get("/readyz")
			return got.status == http.StatusServiceUnavailable && strings.Contains(string(got.body), "there is no log yet")
		})
		s.requestToken(app).want(http.StatusServiceUnavailable)
	}
	r := run(t, c.setting(), "verify", c.key)
	oneClearLine(t, r, "no log")
	other := writeFile(t, "other.key", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if r = run(t, c.setting(), "verify", "--master-key-file", other); r.code != 3 {
		t.Errorf("with another key: exit code %d\n%s", r.code, r.stdout)
	}
	oneClearLine(t, r, "cannot join the cluster", "master key")

	c.members[0].within(recovery, "the log is restored", func() bool { // while nobody leads, it is not
		r = run(t, c.setting(), "restore", "--anew", c.key, file)
		if r.code != 0 {
			t.Logf("restore: %d\n%s", r.code, r.stderr)
		}
		return r.code == 0 || strings.Contains(r.stderr, "is there already")
	})
	c.ready()
	for _, args := range [][]string{nil, {"--anew"}} {
		r := run(t, c.setting(), append(append([]string{"restore", c.key}, args...), file)...)
		if r.code != 2 {
			t.Errorf("restored %s onto a log: exit code %d\n%s", args, r.code, r.stderr)
		}
		oneClearLine(t, r, "is there already")
	}

	a := c.members[0]
	issued := a.issues(app)
	for _, s := range c.members {
		if got := as[map[string]any](s.get("/readyz")); got["logReplicas"] != 3.0 {
			t.Errorf("ready: %v", got)
		}
		if s.activeAfter(issued, admin, token) || !s.activeAfter(issued, admin, as[tokenResponse](issued).AccessToken) {
			t.Error("tokens of before must be dead and those of now live")
		}
	}
	at := c.settled()
	c.signTheSame(admin, at)
	c.sameState(admin, at)
	if text := c.asked("verify", "--archive", archive); !strings.Contains(text, "the log is whole") {
		t.Errorf("verify: %s", text)
	}
	if text := c.asked("tail", "--no-follow"); !strings.Contains(text, `"type":"log.restored"`) {
		t.Errorf("tail: %s", text)
	}
	export := filepath.Join(dir, "events")
	c.asked("export", "--ndjson", export)
	again := filepath.Join(dir, "again")
	c.asked("backup", again)
	if r := run(t, nil, "verify", "--backup", again, c.key); r.code != 0 || !strings.Contains(r.stdout, "the log is whole") {
		t.Errorf("verify of the backup: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
