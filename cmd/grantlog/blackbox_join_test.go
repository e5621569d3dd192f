package main_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Section 1 and ADR 14: a replica that comes with an empty data directory
// starts from a snapshot that another one left, and reads the rest of the log.
func TestJoinsFromASnapshot(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T, args ...string) *cluster{
		"own cluster":   func(t *testing.T, args ...string) *cluster { return startCluster(t, args...) },
		"external NATS": func(t *testing.T, args ...string) *cluster { return startNATSCluster(t).startReplicas(args...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, "--snapshot-interval", "1s")
			a, b := c.members[0], c.members[1]
			admin := c.administrator()
			app := a.create(a.token(admin))
			for range 30 {
				a.token(app)
			}
			a.restart() // a server that stops keeps a snapshot
			a.eventually("a snapshot is in the object store", func() bool {
				return strings.Contains(a.out.String(), "snapshot put into the object store")
			})
			issued := a.requestToken(app).ok()

			b.stop()
			if err := os.RemoveAll(b.data); err != nil {
				t.Fatal(err)
			}
			before := len(b.out.String())
			b.start()
			var told string
			var caughtUp []string
			b.eventually("it tells how much was replayed", func() bool {
				told = b.out.String()[before:]
				caughtUp = regexp.MustCompile(`caught up with the log" position=(\d+) replayed=(\d+)`).FindStringSubmatch(told)
				return caughtUp != nil
			})
			if !strings.Contains(told, `from="object store"`) {
				t.Errorf("the log was replayed:\n%s", b.out.tail())
			}
			position, _ := strconv.Atoi(caughtUp[1])
			replayed, _ := strconv.Atoi(caughtUp[2])
			if position < 30 || replayed > position-30 {
				t.Errorf("%d of %d records were replayed", replayed, position)
			}
			if !b.activeAfter(issued, app, as[tokenResponse](issued).AccessToken) {
				t.Error("the new replica does not know a token")
			}
		})
	}
}
