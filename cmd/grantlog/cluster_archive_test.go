package main_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// asked runs a command on the cluster until it succeeds: while nobody leads, it
// does not.
func (c *cluster) asked(args ...string) (stdout string) {
	c.t.Helper()
	c.members[0].within(recovery, "the cluster answers a command", func() bool {
		r := run(c.t, c.setting(), append(args, c.key)...)
		if r.code != 0 {
			c.t.Logf("%s: %d\n%s", args, r.code, r.stderr)
		}
		stdout = r.stdout
		return r.code == 0
	})
	return stdout
}

// sameState checks that all members have come to one state at a position.
func (c *cluster) sameState(administrator application, at uint64) {
	c.t.Helper()
	file := writeFile(c.t, "admin.json", fmt.Sprintf(`{"organizationId":"default","clientId":%q,"clientSecret":%q}`, administrator.ClientID, administrator.ClientSecret))
	hashes := map[string]bool{c.asked("replay", "--state-hash", "--as-of", fmt.Sprint(at)): true}
	for _, s := range c.members {
		s.eventually("a member tells its state", func() bool {
			r := run(c.t, nil, "replay", "--url", s.issuer(), "--admin-file", file, "--state-hash", "--as-of", fmt.Sprint(at))
			if r.code != 0 {
				c.t.Logf("%d\n%s", r.code, r.stderr)
				return false
			}
			hashes[r.stdout] = true
			return true
		})
	}
	if len(hashes) != 1 {
		c.t.Errorf("states at %d: %v", at, hashes)
	}
}

// issues waits for a token, which the log does not take while it elects a leader.
func (s *server) issues(app application) (issued answer) {
	s.t.Helper()
	s.eventually("a member issues tokens", func() bool {
		issued = s.requestToken(app)
		return issued.status == http.StatusOK
	})
	return issued
}

// named is what an application is called.
func (s *server) named(app application, manager string) string {
	s.t.Helper()
	return as[application](s.get(app.path(), bearer(manager))).Name
}

// The log of a cluster is archived while its members serve: what they had
// acknowledged holds, they go on by themselves, and so does one that comes back
// or comes with nothing.
func TestArchivingACluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	a, b, d := c.members[0], c.members[1], c.members[2]
	admin := c.administrator()
	app := a.create(a.token(admin))
	issued := a.requestToken(app).ok()
	kept := as[tokenResponse](issued).AccessToken
	manager := a.token(admin) // asked for now: the log takes no token while it elects a leader
	tag := a.get(app.path(), bearer(manager)).ok().header.Get("ETag")
	early := c.asked("replay", "--state-hash", "--as-of", "4")
	l := newLoad(t, c.members, app)
	l.start()
	l.more()
	file := c.archive(c.setting(), int(c.members[0].shows()))
	l.more()
	l.stop()
	c.recovered()

	// What was archived holds, is guarded and can be proved.
	b.eventually("an edit of what was archived is written", func() bool { // while nobody leads, it is not
		got := b.json(http.MethodPut, app.path(), settings{"name": "Renamed"}, bearer(manager), header("If-Match", tag))
		return got.status == http.StatusOK || got.status == http.StatusPreconditionFailed && b.named(app, manager) == "Renamed"
	})
	b.json(http.MethodPut, app.path(), settings{"name": "Renamed again"}, bearer(manager), header("If-Match", tag)).want(http.StatusPreconditionFailed)
	for _, s := range c.members {
		if !s.activeAfter(issued, admin, kept) {
			t.Error("a token of before is dead")
		}
		s.get(app.path()+"?as_of=3", bearer(manager)).want(http.StatusGone)
	}
	if got := c.asked("replay", "--state-hash", "--as-of", "4", "--archive", file); got != early {
		t.Errorf("with its archive the state was %s, want %s", got, early)
	}
	for _, args := range [][]string{nil, {"--archive", file}} {
		if text := c.asked(append([]string{"verify"}, args...)...); !strings.Contains(text, "the log is whole") {
			t.Errorf("verify: %s", text)
		}
	}
	at := c.settled()
	c.signTheSame(admin, at)
	c.sameState(admin, at)

	d.kill()
	d.start()
	b.stop()
	b.data += "-new"
	b.start()
	issued = b.issues(app)
	for _, s := range c.members {
		if !s.activeAfter(issued, admin, kept) || !s.activeAfter(issued, admin, as[tokenResponse](issued).AccessToken) {
			t.Error("a token is not live on every member")
		}
	}
	if !strings.Contains(b.out.String(), "from=base") && !strings.Contains(b.out.String(), `from="object store"`) {
		t.Error("a member that comes with nothing does not say where its state is from")
	}
	c.stored(c.settled())

	// A stopped member's copy begins where the log does.
	d.stop()
	if r := run(t, nil, "verify", "--data", d.data, "--archive", file, c.key); r.code != 0 || !strings.Contains(r.stdout, "the log is whole") {
		t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r := run(t, nil, "archive", "--data", d.data, "--before", "100", "--out", filepath.Join(t.TempDir(), "x"), c.key)
	oneClearLine(t, r, "--cluster-name", "--cluster-routes")
}
