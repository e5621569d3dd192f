package main_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// end is the position of the last record of a log at rest.
func (s *server) end() int {
	s.t.Helper()
	r := run(s.t, nil, "verify", "--data", s.data)
	found := regexp.MustCompile(`(?m)^position  (\d+)$`).FindStringSubmatch(r.stdout)
	if r.code != 0 || found == nil {
		s.t.Fatalf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// archive archives the log of a stopped server up to its last records, and
// returns the file.
func (s *server) archive(stay int) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "archive")
	if r := run(s.t, nil, "archive", "--data", s.data, "--before", fmt.Sprint(s.end()+1-stay), "--out", file); r.code != 0 {
		s.t.Fatalf("archive: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return file
}

// Whatever was archived holds: live tokens live, what was ended is dead, and
// what is decided about archived things is decided as before.
func TestServerAfterArchiving(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	asker := s.token(manager)
	first, second, gone := s.create(asker), s.create(asker), s.create(asker)
	live, revoked, lost := s.token(first), s.token(first), s.token(gone)
	s.form("/oauth/revoke", []string{"token", revoked}, basic(first)).ok()
	before := s.token(second)
	renewed := as[application](s.json(http.MethodPost, second.path("regenerate-secret"), settings{}, bearer(asker)).ok())
	s.do(http.MethodDelete, gone.path(), "", "", bearer(asker)).want(http.StatusNoContent)
	kept := s.createUser(asker, "kept@example.com")
	session := s.userToken("kept@example.com")
	deleted := s.createUser(asker, "deleted@example.com")
	s.do(http.MethodDelete, deleted.path(), "", "", bearer(asker)).want(http.StatusNoContent)
	s.token(first)
	s.stop()
	one := s.archive(2)

	check := func() {
		t.Helper()
		s.live(manager, live, session)
		s.dead(manager, revoked, lost, before)
		s.requestToken(second).want(http.StatusUnauthorized)
		s.requestToken(gone).want(http.StatusUnauthorized)
		s.live(manager, s.token(first), s.token(renewed), s.userToken("kept@example.com"))
		s.login("deleted@example.com", agentPassword).want(http.StatusBadRequest)
		s.json(http.MethodPost, "/oauth/users", settings{
			"email": "kept@example.com", "password": agentPassword, "role": "AGENT", "siteId": 7,
		}, bearer(asker)).want(http.StatusConflict)
		s.get(first.path()+"?as_of=3", bearer(asker)).want(http.StatusGone)
	}
	s.start()
	check()
	s.json(http.MethodPut, kept.path(), settings{"disabled": true}, bearer(asker)).ok()
	s.dead(manager, session)
	s.json(http.MethodPut, kept.path(), settings{"disabled": false}, bearer(asker)).ok()
	again := as[application](s.json(http.MethodPost, first.path("regenerate-secret"), settings{}, bearer(asker)).ok())
	s.dead(manager, live)
	s.requestToken(first).want(http.StatusUnauthorized)
	live, session, first = s.token(again), s.userToken("kept@example.com"), again
	if r := run(t, nil, "verify", "--url", s.issuer(), "--admin-file", filepath.Join(s.data, "admin.json")); r.code != 0 {
		t.Errorf("verify --url: %d\n%s%s", r.code, r.stdout, r.stderr)
	}

	s.kill()
	two := s.archive(1)
	if r := run(t, nil, "verify", "--data", s.data, "--archive", one, "--archive", two); r.code != 0 {
		t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	s.start()
	check()
	s.live(manager, live)
}

// Killed at any moment, archiving leaves a log that nobody takes for whole, and
// that is whole once it is completed.
func TestArchivingIsKilled(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	for range 20 {
		s.token(app)
	}
	s.stop()
	last := s.end()
	hash := run(t, nil, "replay", "--data", s.data, "--state-hash", "--as-of", fmt.Sprint(last)).stdout
	for _, step := range []string{"copy to GRANTLOG_NEXT", "copied", "remove GRANTLOG", "copy to GRANTLOG", "open", "remove GRANTLOG_NEXT"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := s.in(t)
			data := filepath.Join(t.TempDir(), "data")
			copyTree(t, data, s.data, func(string, fs.DirEntry) bool { return false })
			killAt(t, step, "archive", "--data", data, "--before", "12", "--out", filepath.Join(t.TempDir(), "archive"))
			// On a busy machine it may have come to its end before it was killed.
			if _, err := os.Stat(filepath.Join(data, "archiving")); err == nil {
				refusedUntilFinished(t, data)
			}
			if r := run(t, nil, "verify", "--data", data); r.code != 0 || !strings.Contains(r.stdout, "first     11;") {
				t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			if r := run(t, nil, "replay", "--data", data, "--state-hash", "--as-of", fmt.Sprint(last)); r.stdout != hash {
				t.Errorf("the state is another one: %s%s", r.stdout, r.stderr)
			}
		})
	}
}

// refusedUntilFinished tries to use a log whose archiving was broken off, and
// completes it.
func refusedUntilFinished(t *testing.T, data string) {
	t.Helper()
	for _, command := range [][]string{
		{"serve", "--listen", "127.0.0.1:0"}, {"replay"}, {"verify"}, {"archive", "--before", "15", "--out", filepath.Join(t.TempDir(), "other")},
	} {
		r := run(t, nil, append(command, "--data", data)...)
		if r.code == 0 {
			t.Errorf("%s: %s", command, r.stdout)
		}
		oneClearLine(t, r, "archive --finish")
	}
	if r := run(t, nil, "archive", "--finish", "--data", data); r.code != 0 || r.stdout != "the log begins at position 11\n" {
		t.Fatalf("finish: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// killAt runs a command, and kills it when it says that it has come to a step.
func killAt(t *testing.T, step string, args ...string) {
	t.Helper()
	cmd := exec.Command(grantlog(t), append(args, "--log-level", "debug")...)
	cmd.Env = append(cleanEnv(), "TMPDIR="+t.TempDir()) // what a kill leaves there
	told, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	said, met := "", false
	lines := bufio.NewScanner(told)
	for lines.Scan() {
		said += lines.Text() + "\n"
		for _, form := range []string{"step=%s ", "step=%q "} {
			if strings.Contains(lines.Text(), fmt.Sprintf(form, step)) && !met {
				met = true
				cmd.Process.Kill()
			}
		}
	}
	cmd.Wait() // it was killed
	if !met {
		t.Fatalf("there is no step %s\n%s", step, said)
	}
}

// archive archives the log of running servers before a position, and returns
// the file.
func (c *cluster) archive(env []string, before int) (file string) {
	c.t.Helper()
	dir, tries := c.t.TempDir(), 0
	c.members[0].within(recovery, "the log is archived", func() bool { // while nobody leads, it is not
		tries++
		out := filepath.Join(dir, fmt.Sprint("archive-", tries))
		r := run(c.t, env, "archive", c.key, "--before", fmt.Sprint(before), "--out", out)
		if _, err := os.Stat(out); err == nil { // one that finds it broken off leaves none
			file = out
		}
		if r.code != 0 {
			c.t.Logf("archive: %d\n%s", r.code, r.stderr)
		}
		done := r.code == 0 || strings.Contains(r.stderr, fmt.Sprintf("the log begins at position %d,", before-1))
		return done || run(c.t, env, "archive", c.key, "--finish").code == 0
	})
	return file
}

// Replicas on an external cluster of NATS answer 503 to writes while the log is
// archived, and go on by themselves; one that comes with nothing starts from
// what the log begins with.
func TestArchivingUnderReplicas(t *testing.T) {
	t.Parallel()
	n := startNATSCluster(t)
	c := n.startReplicas()
	a, b := c.members[0], c.members[1]
	admin := c.administrator()
	app := a.create(a.token(admin))
	var tokens []string
	for range 10 {
		tokens = append(tokens, a.token(app))
	}
	issued := a.requestToken(app).ok()
	file := c.archive([]string{n.setting()}, 8)
	for _, s := range c.members {
		s.eventually("a replica issues tokens again", func() bool {
			got := s.requestToken(app)
			if got.status == http.StatusOK {
				issued = got
			}
			return got.status == http.StatusOK
		})
		if !s.activeAfter(issued, admin, tokens[0]) {
			t.Error("a token of before is dead")
		}
	}
	b.stop()
	b.data += "-new"
	b.start()
	if !b.activeAfter(issued, admin, tokens[1]) {
		t.Error("a new replica does not know a token")
	}
	b.says("from=base")
	for _, args := range [][]string{nil, {"--archive", file}} {
		a.eventually("the log is verified", func() bool { // while nobody leads, it is not
			r := run(t, []string{n.setting()}, append([]string{"verify", c.key}, args...)...)
			if r.code != 0 {
				t.Logf("verify %s: %d\n%s%s", args, r.code, r.stdout, r.stderr)
			}
			return r.code == 0 && strings.Contains(r.stdout, "the log is whole")
		})
	}
}
