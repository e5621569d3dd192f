package main_test

import (
	"os"
	"path/filepath"
	"testing"
)

// SECURITY.md G1, G9, G10: the copy of one member of three is damaged while it
// is stopped, and it has to read all of it. It answers what is true, from
// another member's copy; verify names the damage of its own; with a new copy it
// is whole again.
func TestDamagedMember(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	a, d := c.members[0], c.members[2]
	admin := c.administrator()
	app := a.create(a.token(admin))
	var live []string
	for range 20 {
		live = append(live, a.token(app))
	}
	dead := a.token(app)
	a.form("/oauth/revoke", []string{"token", dead}, basic(app)).ok()
	c.settled()

	d.stop()
	flip(t, d.copyOfLog(), at(`"jti":"`, 9))
	if r := c.verify(d); r.code != 1 {
		t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if err := os.RemoveAll(filepath.Join(d.data, "state")); err != nil {
		t.Fatal(err)
	}
	d.start()
	d.live(admin, live...)
	d.dead(admin, dead)
	live = append(live, d.token(app))
	c.settled()

	d.stop()
	named := c.verify(d)
	if oneClearLine(t, named, "position"); named.code != 1 {
		t.Errorf("verify: %d\n%s", named.code, named.stdout)
	}
	d.newCopy()
	d.start()
	c.settled()
	d.live(admin, live...)
	d.dead(admin, dead)
	for _, s := range c.members {
		s.stop()
		if r := c.verify(s); r.code != 0 {
			t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
}

// verify runs grantlog verify on a member that is stopped.
func (c *cluster) verify(s *server) result {
	c.t.Helper()
	return run(c.t, nil, "verify", "--data", s.data, c.key)
}

// copyOfLog is where a member keeps the records of the log.
func (s *server) copyOfLog() string {
	return filepath.Join(s.data, "jetstream", "$G", "streams", "GRANTLOG", "msgs")
}

// newCopy does what docs/guarantees.md tells an operator to do with a damaged
// copy: away with it. The other members give a new one.
func (s *server) newCopy() {
	s.t.Helper()
	aside := filepath.Join(s.data, "jetstream.damaged")
	if err := os.RemoveAll(aside); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(s.data, "jetstream"), aside); err != nil {
		s.t.Fatal(err)
	}
}
