package main_test

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// cluster is three servers that form one log.
type cluster struct {
	t        testing.TB
	members  []*server
	listens  []string // --cluster-listen of each
	key      string   // the flag that names the master key
	links    *links   // nil: members reach each other as they please
	archives []string // of the log, oldest first
	disk     string   // that the last member alone uses; empty: it has none
}

// prepareCluster makes the members of a cluster that do not run yet. They know
// each other and have one master key and one issuer.
func prepareCluster(t testing.TB, args ...string) *cluster {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	keyFile := writeFile(t, "master.key", base64.StdEncoding.EncodeToString(key))
	c := &cluster{t: t, key: "--master-key-file=" + keyFile}
	var routes []string
	for range 3 {
		s := prepare(t)
		s.base = &http.Transport{MaxIdleConnsPerHost: 64}
		c.members = append(c.members, s)
		c.listens = append(c.listens, freeAddress(t))
		routes = append(routes, "nats://"+c.listens[len(c.listens)-1])
	}
	for i, s := range c.members {
		s.args = append([]string{
			"--issuer", c.members[0].issuer(), c.key, "--cluster-name", "test",
			"--cluster-listen", c.listens[i], "--cluster-routes", strings.Join(routes, ","),
		}, args...)
	}
	return c
}

// setting tells a command where the cluster is.
func (c *cluster) setting() []string {
	routes := make([]string, len(c.listens))
	for i, listen := range c.listens {
		routes[i] = "nats://" + listen
	}
	return []string{"GRANTLOG_CLUSTER_NAME=test", "GRANTLOG_CLUSTER_ROUTES=" + strings.Join(routes, ",")}
}

// startCluster runs a new cluster and waits until every member is ready.
func startCluster(t testing.TB, args ...string) *cluster {
	t.Helper()
	c := prepareCluster(t, args...)
	for _, s := range c.members {
		s.launch()
	}
	c.ready()
	return c
}

// ready waits until every member that runs is ready.
func (c *cluster) ready() {
	c.t.Helper()
	for _, s := range c.members {
		if s.run != nil {
			s.ready()
		}
	}
}

// recovered is ready for a cluster, or a member, that was hit by a fault.
func (c *cluster) recovered() {
	c.t.Helper()
	for _, s := range c.members {
		s.recovered()
	}
}

func (s *server) recovered() {
	s.t.Helper()
	s.readyWithin(recovery)
}

// stored waits until every member's own copy of the log reaches a position. A
// member may show more than its disk holds: while that was full, or its copy is
// made anew, it reads from the others.
func (c *cluster) stored(position uint64) {
	c.t.Helper()
	for _, s := range c.members {
		s.within(recovery, "a member's own copy of the log is whole", func() bool {
			last, err := journaltest.LastStored(s.copyOfLog())
			if err != nil {
				c.t.Fatal(err)
			}
			return uint64(last) >= position
		})
	}
}

// administrator returns the credentials of the one administrator.
func (c *cluster) administrator() application {
	c.t.Helper()
	var found []*server
	for _, s := range c.members {
		if files, _ := filepath.Glob(filepath.Join(s.data, "admin.json*")); len(files) > 0 {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		c.t.Fatalf("%d members wrote credentials of an administrator", len(found))
	}
	return found[0].administrator()
}

// settled returns the position that all running members show: equal, once none
// of them is behind. Beacons may move it at any time.
func (c *cluster) settled() (position uint64) {
	c.t.Helper()
	c.members[0].within(recovery, "all members show one position", func() bool {
		shown := map[uint64]bool{}
		for _, s := range c.members {
			if s.run != nil {
				position = s.shows()
				shown[position] = true
			}
		}
		return len(shown) == 1 && position > 0
	})
	return position
}

// shows returns the position that /readyz tells.
func (s *server) shows() uint64 {
	s.t.Helper()
	return as[struct{ Position uint64 }](s.get("/readyz")).Position
}

// after makes a read reflect a write that any member answered.
func after(write answer) option {
	return header("Consistency-Token", write.header.Get("Consistency-Token"))
}

// activeAfter reads on a member whether a token is live once a write is
// visible there. A member that cannot show the write yet says so.
func (s *server) activeAfter(write answer, asker application, token string) bool {
	s.t.Helper()
	var got answer
	s.eventually("a member shows a write", func() bool {
		got = s.form("/oauth/introspect", []string{"token", token}, basic(asker), after(write))
		return got.status != http.StatusServiceUnavailable
	})
	return as[introspection](got.ok()).Active
}

// hasFile reports whether a member keeps a file.
func (s *server) hasFile(name string) bool {
	_, err := os.Stat(filepath.Join(s.data, name))
	return err == nil
}
