package main_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// natsCluster is an external NATS of three servers, as docs/deploy/nats.conf
// configures them.
type natsCluster struct {
	t       testing.TB
	options []*natsserver.Options
	servers []*natsserver.Server // nil while stopped
}

// Passwords of the cluster.
const (
	natsPassword = "p1nats"
	acmePassword = "p2acme"
)

func startNATSCluster(t testing.TB) *natsCluster {
	t.Helper()
	n := &natsCluster{t: t, servers: make([]*natsserver.Server, 3)}
	t.Cleanup(func() {
		for i := range n.servers {
			n.stop(i)
		}
	})
	config, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy", "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	clients, routes, names := make([]string, 3), make([]string, 3), []string{}
	for i := range n.servers {
		clients[i], routes[i] = freeAddress(t), freeAddress(t)
		names = append(names, "nats-"+strconv.Itoa(i+1)+":6222", routes[i])
	}
	for i := range n.servers {
		here := strings.NewReplacer(append(names,
			"0.0.0.0:4222", clients[i], "0.0.0.0:6222", routes[i], "/data", t.TempDir(),
			"$NATS_NAME", "nats-"+strconv.Itoa(i+1), "$NATS_PASSWORD", natsPassword, "$ACME_PASSWORD", acmePassword)...)
		opts := &natsserver.Options{}
		if err := opts.ProcessConfigString(here.Replace(string(config))); err != nil {
			t.Fatal(err)
		}
		opts.NoSigs, opts.NoLog = true, true
		n.options = append(n.options, opts)
		n.start(i)
	}
	return n
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

// urls is where a user reaches the cluster.
func (n *natsCluster) urls(user, password string) string {
	var all []string
	for _, o := range n.options {
		all = append(all, "nats://"+user+":"+password+"@"+net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	}
	return strings.Join(all, ",")
}

// setting tells grantlog where the cluster is, off the command line.
func (n *natsCluster) setting() string { return "GRANTLOG_NATS=" + n.urls("grantlog", natsPassword) }

// leader returns which server leads the log, or -1.
func (n *natsCluster) leader() int {
	for i, s := range n.servers {
		if s != nil && s.JetStreamIsStreamLeader(natsserver.DEFAULT_GLOBAL_ACCOUNT, "GRANTLOG") {
			return i
		}
	}
	return -1
}

func (n *natsCluster) connect(user, password string, opts ...nats.Option) *nats.Conn {
	n.t.Helper()
	nc, err := nats.Connect(n.urls(user, password), append(opts, nats.MaxReconnects(-1), nats.Timeout(patience))...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	return nc
}

// prepareReplicas makes three replicas on the cluster that do not run yet, each
// with a data directory of its own.
func (n *natsCluster) prepareReplicas(args ...string) *cluster {
	n.t.Helper()
	c := prepareCluster(n.t)
	for _, s := range c.members {
		s.args = append([]string{"--issuer", c.members[0].issuer(), c.key}, args...)
		s.env = []string{n.setting()}
	}
	return c
}

// startReplicas runs three replicas on the cluster and waits until they are
// ready.
func (n *natsCluster) startReplicas(args ...string) *cluster {
	n.t.Helper()
	c := n.prepareReplicas(args...)
	for _, s := range c.members {
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
	manager := a.token(admin) // asked for now: the log takes no token while it elects a leader
	n.stop(leader)
	d.live(admin, token)
	var rotated answer
	d.eventually("a replica acknowledges a write", func() bool {
		rotated = d.json("POST", app.path("regenerate-secret"), settings{}, bearer(manager))
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
	if r := run(t, []string{n.setting()}, "verify", c.key); r.code != 0 {
		t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// Section 6: one permission line gives a consumer of NATS the revocations of
// its organization, and nothing else.
func TestRevocationsForANATSUser(t *testing.T) {
	t.Parallel()
	n := startNATSCluster(t)
	c := n.startReplicas()
	a := c.members[0]
	admin := a.token(c.administrator())
	a.json("POST", "/oauth/organizations", settings{"id": "acme", "name": "Acme"}, bearer(admin)).want(201)
	mine := as[application](a.json("POST", "/oauth/applications?organization=acme", settings{"name": "x", "scopes": []string{"read"}}, bearer(admin)).want(201))
	other := a.create(admin)

	violations := make(chan error, 16)
	acme := n.connect("acme", acmePassword, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))
	heard := make(chan *nats.Msg, 16)
	if _, err := acme.ChanSubscribe("grantlog.revocations.acme", heard); err != nil {
		t.Fatal(err)
	}
	for name, forbidden := range map[string]func() error{
		"another organization": func() error { _, err := acme.SubscribeSync("grantlog.revocations.default"); return err },
		"tokens":               func() error { _, err := acme.SubscribeSync("grantlog.tokens"); return err },
		"everything":           func() error { _, err := acme.SubscribeSync(">"); return err },
		"revoking":             func() error { return acme.Publish("grantlog.revocations.acme", []byte("x")) },
		"deleting":             func() error { return acme.Publish("$JS.API.STREAM.DELETE.GRANTLOG", nil) },
		"purging":              func() error { return acme.Publish("$JS.API.STREAM.PURGE.GRANTLOG", nil) },
	} {
		if err := forbidden(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-violations:
			if !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s is not refused", name)
		}
	}
	for _, app := range []application{other, mine} {
		a.form("/oauth/revoke", []string{"token", a.token(app)}, basic(app)).ok()
	}
	select {
	case msg := <-heard:
		if msg.Subject != "grantlog.revocations.acme" || !strings.Contains(string(msg.Data), `"type":"token.revoked"`) || !strings.Contains(string(msg.Data), mine.ID) {
			t.Errorf("%s %s", msg.Subject, msg.Data)
		}
	case <-time.After(patience):
		t.Error("the revocation is not heard")
	}
}
