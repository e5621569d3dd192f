package main_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// formerVersion is the commit whose program is upgraded from, and back to. A
// version that writes events which the former does not know, though nobody uses
// what is new, ends the way back: that is a matter for the changelog, and a
// later commit takes this one's place.
const formerVersion = "e9b4d9502936d4c35d6d31725818358a5661d11c"

// former builds the former version's program from the history of the
// repository.
func former(t testing.TB) string {
	t.Helper()
	archive, err := exec.Command("git", "-C", filepath.Join("..", ".."), "archive", "--format=zip", formerVersion,
		"go.mod", "go.sum", "cmd", "events", "handlers", "projections", "replay").Output()
	if err != nil {
		t.Skipf("SKIP: no upgrade from commit %s, which git does not give (a whole clone has it): %v", formerVersion, explained(err))
	}
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	source := t.TempDir()
	if err == nil {
		err = os.CopyFS(source, files)
	}
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "grantlog-former")
	command := func(args ...string) error {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = source, append(cleanEnv(), "GOWORK=off", "GOFLAGS=")
		_, err := cmd.Output()
		return explained(err)
	}
	if err := command("list", "-deps", "./cmd/grantlog"); err != nil {
		t.Skipf("SKIP: no upgrade from commit %s, whose modules are not to be had: %v", formerVersion, err)
	}
	if err := command("build", "-buildvcs=false", "-o", program, "./cmd/grantlog"); err != nil {
		t.Fatal(err)
	}
	return program
}

// explained adds what a command printed to its error.
func explained(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}

// Sections 1 and 7, docs/replicas.md: three replicas are upgraded one after the
// other, and taken back in the same way, while clients issue, introspect and
// revoke on all of them.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("SKIP: the former version is built once, for the tests without the race detector")
	}
	c := prepareReplicas(t)
	row := figures{load: upgrade(t, c, former(t))}
	row.look(t, run(t, c.members[0].env, append([]string{"tail", "--no-follow", "--after", "0"}, c.members[0].args[:2]...)...))
}

// upgradeOfMembers is the same for a cluster without outside NATS, whose log is
// led from one version to the other as well.
func upgradeOfMembers(t *testing.T) {
	c := prepareCluster(t)
	row := figures{load: upgrade(t, c, former(t))}
	c.stored(c.settled())
	for _, s := range c.members {
		s.stop()
		if r := c.verify(s); r.code != 0 {
			t.Errorf("verify of %s: %d\n%s%s", s.data, r.code, r.stdout, r.stderr)
		}
		row.look(t, run(t, nil, "tail", "--no-follow", "--after", "0", "--data", s.data, c.key))
	}
}

// upgrade replaces the former program by the one that is tested on one member
// after the other, and back, under load. Two versions serve one log then, and
// what either acknowledged holds for the other; a client that goes to the next
// member when one refuses or does not answer gets every answer in the end.
func upgrade(t *testing.T, c *cluster, old string) *load {
	t.Helper()
	seed := writeFile(t, "seed.yaml", faultsSeed)
	for _, s := range c.members {
		s.args = append(s.args, "--seed", seed)
		s.env = append(s.env, "AGENT_PASSWORD="+agentPassword, "USERS_SECRET="+usersSecret)
		s.program = old
		s.launch()
	}
	c.recovered()
	admin := c.administrator()
	l := newLoad(t, c.members, application{ClientID: "app_load", ClientSecret: usersSecret})
	l.insist = true
	t.Cleanup(func() { l.done.Store(true); l.workers.Wait() })
	l.start()
	l.more()
	for _, program := range []string{"", old} {
		for _, s := range c.members {
			s.stop()
			s.program = program
			s.launch()
			s.recovered()
			l.more()
		}
		c.agree(admin)
	}
	l.stop()
	return l
}

// agree compares the members' states at one position. They must be of one
// version: another one may have another form of the state.
func (c *cluster) agree(admin application) {
	c.t.Helper()
	at := c.members[0].shows()
	hashes := map[string]bool{}
	for _, s := range c.members {
		s.within(recovery, "a member tells its state", func() bool {
			token := s.requestToken(admin)
			if token.status != http.StatusOK || s.shows() < at {
				return false
			}
			got := s.get(fmt.Sprint("/oauth/replay/summary?as_of=", at), bearer(as[tokenResponse](token).AccessToken))
			if got.status != http.StatusOK {
				return false
			}
			hashes[as[struct{ StateHash string }](got).StateHash] = true
			return true
		})
	}
	if len(hashes) != 1 || hashes[""] {
		c.t.Errorf("at %d the members' states are %v", at, hashes)
	}
}
