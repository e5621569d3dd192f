package journaltest

import (
	"net"
	"net/url"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

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
	var ports []int
	var listeners []net.Listener
	for i := range Nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("journaltest: %v", err)
		}
		names = append(names, "node-"+string(rune('1'+i)))
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		listeners = append(listeners, l)
	}
	for _, l := range listeners { // all were taken before any is given back
		l.Close()
	}
	var nodes []*Env
	for i := range Nodes {
		member := func(o *server.Options) {
			o.ServerName, o.Routes = names[i], routes
			o.Cluster = server.ClusterOpts{Name: "journaltest", Host: "127.0.0.1", Port: ports[i], NoAdvertise: true}
		}
		nodes = append(nodes, New(t, append([]Option{Listen(), member}, opts...)...))
	}
	return nodes
}

// Replicated makes a journal's stream one that every node of a cluster has.
func Replicated(c *journal.Config) { c.Replicas = Nodes }

// Name is the server's name.
func (e *Env) Name() string { return e.opts.ServerName }

// Leads reports whether the server leads the log.
func (e *Env) Leads() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.srv != nil && e.srv.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, journal.StreamName)
}
