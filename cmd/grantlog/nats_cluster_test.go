package main_test

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// natsCluster is an external NATS of three servers, as an operator runs it.
type natsCluster struct {
	t       testing.TB
	options []*natsserver.Options
	servers []*natsserver.Server // nil while stopped
}

func startNATSCluster(t testing.TB) *natsCluster {
	t.Helper()
	n := &natsCluster{t: t, servers: make([]*natsserver.Server, 3)}
	t.Cleanup(func() {
		for i := range n.servers {
			n.stop(i)
		}
	})
	var routes []*url.URL
	for i := range n.servers {
		client, cluster := hostPort(t, freeAddress(t)), hostPort(t, freeAddress(t))
		routes = append(routes, &url.URL{Scheme: "nats", Host: net.JoinHostPort(cluster.host, strconv.Itoa(cluster.port))})
		n.options = append(n.options, &natsserver.Options{
			ServerName: "nats-" + strconv.Itoa(i+1), Host: client.host, Port: client.port,
			Cluster:   natsserver.ClusterOpts{Name: "test", Host: cluster.host, Port: cluster.port},
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
		})
	}
	for i := range n.servers {
		n.options[i].Routes = routes
		n.start(i)
	}
	return n
}

type endpoint struct {
	host string
	port int
}

func hostPort(t testing.TB, address string) endpoint {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return endpoint{host, number}
}

func (n *natsCluster) start(i int) {
	n.t.Helper()
	opts := *n.options[i]
	s, err := natsserver.NewServer(&opts)
	if err != nil {
		n.t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(patience) {
		n.t.Fatal("a NATS server does not start")
	}
	n.servers[i] = s
}

func (n *natsCluster) stop(i int) {
	if s := n.servers[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		n.servers[i] = nil
	}
}

// urls is the value of --nats.
func (n *natsCluster) urls() string {
	var all []string
	for _, o := range n.options {
		all = append(all, "nats://"+net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	}
	return strings.Join(all, ",")
}

// leader returns which server leads the log, or -1.
func (n *natsCluster) leader() int {
	for i, s := range n.servers {
		if s != nil && s.JetStreamIsStreamLeader(natsserver.DEFAULT_GLOBAL_ACCOUNT, "GRANTLOG") {
			return i
		}
	}
	return -1
}

func (n *natsCluster) connect() *nats.Conn {
	n.t.Helper()
	nc, err := nats.Connect(n.urls(), nats.MaxReconnects(-1))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	return nc
}

// startReplicas runs three replicas on the cluster, each with a data directory
// of its own, and waits until they are ready.
func (n *natsCluster) startReplicas() *cluster {
	n.t.Helper()
	c := prepareCluster(n.t)
	for _, s := range c.members {
		s.args = []string{"--issuer", c.members[0].issuer(), c.key, "--nats", n.urls()}
		s.launch()
	}
	c.ready()
	return c
}

// Section 1: any number of replicas share an external cluster of three, which
// may lose any one of its servers.
func TestReplicasOnAnExternalCluster(t *testing.T) {
	t.Parallel()
	n := startNATSCluster(t)
	c := n.startReplicas()
	a, b, d := c.members[0], c.members[1], c.members[2]
	for _, s := range c.members {
		if got := as[map[string]any](s.get("/readyz").ok())["logReplicas"]; got != 3.0 {
			t.Errorf("%v copies of the log", got)
		}
	}
	admin := c.administrator()
	app := a.create(a.token(admin))
	issued := a.requestToken(app).ok()
	token := as[tokenResponse](issued).AccessToken
	for _, s := range c.members {
		if !s.activeAfter(issued, admin, token) {
			t.Error("a token is not live on every replica")
		}
	}

	// A server of NATS goes, the one that leads the log.
	leader := -1
	a.eventually("the log has a leader", func() bool { leader = n.leader(); return leader >= 0 })
	n.stop(leader)
	d.live(admin, token)
	var rotated answer
	d.eventually("a replica acknowledges a write", func() bool {
		rotated = d.json("POST", app.path("regenerate-secret"), settings{}, bearer(a.token(admin)))
		return rotated.status == 200
	})
	for _, s := range c.members {
		if s.activeAfter(rotated, admin, token) {
			t.Error("a token outlives its secret on a replica")
		}
	}
	n.start(leader)
	c.settled()

	// A replica that lost its disk is as good as any other.
	b.stop()
	b.data += "-new"
	b.start()
	if b.activeAfter(rotated, admin, token) {
		t.Error("a new replica does not know the past")
	}
	if r := run(t, nil, "verify", "--nats", n.urls(), c.key); r.code != 0 {
		t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
