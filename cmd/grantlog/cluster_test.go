package main_test

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Sections 1 and 7, SECURITY.md G1 and G2: three servers form one log by
// themselves, in any order of their starts; what one of them acknowledged holds
// on all; any one may be lost and come back.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := prepareCluster(t)
	a, b, d := c.members[0], c.members[1], c.members[2]

	d.launch()
	d.eventually("a member answers alone", func() bool {
		status, err := d.probe("/healthz")
		return err == nil && status == http.StatusOK
	})
	for path, method := range map[string]string{"/readyz": http.MethodGet, "/oauth/token": http.MethodPost, "/oauth/jwks": http.MethodGet} {
		d.do(method, path, "", "").want(http.StatusServiceUnavailable)
	}
	b.launch()
	a.launch()
	c.ready()
	for _, s := range c.members {
		s.eventually("a member knows a leader and its own beacon", func() bool {
			got := as[map[string]any](s.get("/readyz"))
			return got["status"] == "ready" && got["logReplicas"] == 3.0 && got["leader"] == true && got["beaconAge"] != nil
		})
		if s.hasFile("master.key") {
			t.Error("a member made a master key of its own")
		}
	}

	admin := c.administrator()
	app := a.create(a.token(admin))
	issued := a.requestToken(app).ok()
	token := as[tokenResponse](issued).AccessToken
	for _, s := range c.members {
		if !s.activeAfter(issued, admin, token) {
			t.Error("a token is not live on every member")
		}
	}
	rotated := b.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(b.token(admin)), after(issued)).ok()
	for _, s := range c.members {
		if s.activeAfter(rotated, admin, token) {
			t.Error("a token outlives its secret on a member")
		}
		s.requestToken(app).want(http.StatusUnauthorized)
	}
	app = as[application](rotated)

	// One is lost. Reads on the others do not notice; writes wait, at the
	// most, for an election.
	kept := as[tokenResponse](d.requestToken(app).ok()).AccessToken
	before := c.settled()
	c.signTheSame(admin, before)
	b.kill()
	for _, s := range []*server{a, d} {
		s.live(admin, kept)
		s.dead(admin, token)
	}
	var written answer
	a.eventually("the rest acknowledges a write", func() bool {
		written = a.form("/oauth/revoke", []string{"token", kept}, basic(app))
		return written.status == http.StatusOK
	})
	if d.activeAfter(written, admin, kept) {
		t.Error("a revocation is not seen by the rest")
	}
	b.start()
	if b.activeAfter(written, admin, kept) {
		t.Error("a member that comes back does not know what it missed")
	}
	if after := c.settled(); after <= before {
		t.Errorf("position %d after %d", after, before)
	}

	// Each member's store is a whole log, and all tell the same.
	for _, s := range c.members {
		s.signal(syscall.SIGTERM)
	}
	for _, s := range c.members {
		if code := s.wait(); code != 0 {
			t.Errorf("exit code %d after SIGTERM", code)
		}
	}
	var told []string
	for _, s := range c.members {
		if r := run(t, nil, "verify", "--data", s.data, c.key); r.code != 0 {
			t.Errorf("verify: %d\n%s", r.code, r.stderr)
		}
		if views, _ := filepath.Glob(filepath.Join(s.data, "view-*")); len(views) > 0 {
			t.Errorf("verify leaves %v behind", views)
		}
		r := run(t, nil, "tail", "--no-follow", "--after", "0", "--data", s.data, c.key)
		if told = append(told, r.stdout); r.code != 0 || strings.Count(r.stdout, "\n") < int(before) {
			t.Errorf("tail: %d, %d lines\n%s", r.code, strings.Count(r.stdout, "\n"), r.stderr)
		}
	}
	if r := run(t, nil, "backup", "--data", c.members[0].data, c.key, filepath.Join(t.TempDir(), "backup")); r.code != 0 {
		t.Errorf("a backup of a stopped member: %d\n%s", r.code, r.stderr)
	}
	longest := slices.MaxFunc(told, func(a, b string) int { return len(a) - len(b) })
	for _, text := range told {
		if !strings.HasPrefix(longest, text) { // a beacon may be the last word of whoever stopped last
			t.Error("the members' logs differ")
		}
	}
}

// signTheSame asks every member for the checkpoint of one size.
func (c *cluster) signTheSame(admin application, size uint64) {
	c.t.Helper()
	checkpoints := map[string]bool{}
	for _, s := range c.members {
		token := s.token(admin)
		var asked answer
		s.eventually("the tree of a member has the log", func() bool {
			asked = s.get(fmt.Sprintf("/oauth/log/proof?position=1&size=%d", size), bearer(token))
			return asked.status == http.StatusOK
		})
		checkpoints[as[inclusionProof](asked).Checkpoint] = true
	}
	if len(checkpoints) != 1 {
		c.t.Errorf("the members sign %d checkpoints of %d records: %q", len(checkpoints), size, slices.Collect(maps.Keys(checkpoints)))
	}
}

// A member that is given no key, or the data directory of something else, says
// so and ends.
func TestClusterRefusals(t *testing.T) {
	t.Parallel()
	member := func(args ...string) []string {
		return append([]string{"--cluster-name", "test", "--cluster-listen", freeAddress(t), "--cluster-routes", "nats://127.0.0.1:1"}, args...)
	}
	key := "GRANTLOG_MASTER_KEY=" + strings.Repeat("A", 43) + "="

	s := prepare(t, member()...)
	oneClearLine(t, s.refusedToStart(nil), "--cluster-name", "master key", "GRANTLOG_MASTER_KEY")

	single := start(t)
	single.stop()
	single.args = member()
	oneClearLine(t, single.refusedToStart(nil), "single server", single.data)
	single.args = nil
	single.start()

	s = prepare(t, member()...)
	s.env = []string{key}
	s.launch()
	s.eventually("a member answers alone", func() bool {
		status, err := s.probe("/healthz")
		return err == nil && status == http.StatusOK
	})
	s.stop()
	s.args = nil
	oneClearLine(t, s.refusedToStart([]string{key}), "cluster", "test")
	s.args = member("--cluster-name", "other")
	oneClearLine(t, s.refusedToStart([]string{key}), "cluster", "other")
}

// refusedToStart runs the server, which must end with exit code 2.
func (s *server) refusedToStart(env []string) result {
	s.t.Helper()
	r := run(s.t, env, s.command()...)
	if r.code != 2 {
		s.t.Errorf("exit code %d, want 2\n%s", r.code, r.stderr)
	}
	return r
}
