package journaltest

import (
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// Nodes is how many servers a cluster has.
const Nodes = 3

// NewCluster starts servers that form a cluster over the loopback interface.
// Each is an Env of its own, whose connections go to that server.
func NewCluster(t testing.TB, opts ...Option) []*Env {
	t.Helper()
	var names []string
	var routes []*url.URL
	for i := range Nodes {
		names = append(names, "node-"+string(rune('1'+i)))
		routes = append(routes, &url.URL{Scheme: "nats", Host: Address(t)})
	}
	var nodes []*Env
	for i := range Nodes {
		member := func(o *server.Options) {
			o.ServerName, o.Routes = names[i], routes
			o.Cluster = server.ClusterOpts{Name: "journaltest", Host: "127.0.0.1", Port: portOf(routes[i].Host), NoAdvertise: true}
		}
		nodes = append(nodes, New(t, append([]Option{Listen(), member}, opts...)...))
	}
	return nodes
}

// Replicated makes a journal's stream one that every node of a cluster has.
func Replicated(c *journal.Config) { c.Replicas = Nodes }

// Name is the server's name.
func (e *Env) Name() string { return e.opts.ServerName }

// Damage flips a bit of the record at pos in the server's copy, once that has
// the log up to last: what was acknowledged may be in two copies only for a
// while. The server has been started again and is a member as before when
// Damage returns.
func (e *Env) Damage(pos, last events.Position) {
	e.t.Helper()
	e.eventually("it has the whole log", func() bool { return e.stored() >= last })
	e.Stop()
	e.FlipBit(pos)
	e.Start()
	e.eventually("it is back in the cluster", e.Current)
}

// Current reports whether the server's copy of the log is what the others have.
func (e *Env) Current() bool { return e.Holds(journal.StreamName) }

// Holds reports whether the server's copy of a stream is what the others have.
func (e *Env) Holds(stream string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.srv.JetStreamIsStreamCurrent(server.DEFAULT_GLOBAL_ACCOUNT, stream)
}

func (e *Env) eventually(what string, is func() bool) {
	e.t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for late := time.After(patience); !is(); {
		select {
		case <-look.C:
		case <-late:
			e.t.Fatalf("journaltest: %s: not in time: %s", e.Name(), what)
		}
	}
}

// stored is the last position of the server's own copy.
func (e *Env) stored() events.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	info, err := e.srv.Jsz(&server.JSzOptions{Streams: true})
	if err != nil {
		return 0 // it has just started
	}
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			if stream.Name == journal.StreamName {
				return events.Position(stream.State.LastSeq)
			}
		}
	}
	return 0
}
