package main_test

import (
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// replicas runs three servers on one external nats-server.
func replicas(t testing.TB, args ...string) *cluster {
	t.Helper()
	c := prepareReplicas(t, args...)
	for _, s := range c.members {
		s.launch()
	}
	c.ready()
	return c
}

// prepareReplicas makes three servers on one external nats-server, which runs;
// they do not yet.
func prepareReplicas(t testing.TB, args ...string) *cluster {
	t.Helper()
	addr := freeAddress(t)
	host, port, _ := net.SplitHostPort(addr)
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	nats, err := natsserver.NewServer(&natsserver.Options{
		Host: host, Port: number, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	go nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	if !nats.ReadyForConnections(patience) {
		t.Fatal("the nats-server does not start")
	}
	c := &cluster{t: t}
	for range 3 {
		s := prepare(t)
		c.members = append(c.members, s)
		s.args = append([]string{"--nats", "nats://" + addr, "--issuer", c.members[0].issuer()}, args...)
		s.env = []string{"GRANTLOG_MASTER_KEY=" + strings.Repeat("A", 43) + "=", "MANAGER_SECRET=" + managerSecret}
	}
	return c
}

// pusher returns the member that pushes to a webhook: the last one to say so.
func (c *cluster) pusher(id string) (last *server) {
	c.t.Helper()
	said := regexp.MustCompile(`time=(\S+) .*"this replica pushes to a webhook" webhook=` + id)
	c.members[0].eventually("a member says that it pushes", func() bool {
		latest := ""
		for _, s := range c.members {
			for _, m := range said.FindAllStringSubmatch(s.out.String(), -1) {
				if m[1] > latest {
					latest, last = m[1], s
				}
			}
		}
		return last != nil
	})
	return last
}

// Contract section 6: one of three replicas pushes. When it is killed amid a
// push another one takes over: nothing is left out, and what is pushed again
// has the same jti.
func TestWebhookOutlivesItsReplica(t *testing.T) {
	t.Parallel()
	c := replicas(t)
	a := c.members[0]
	admin := c.administrator()
	rx := newReceiver(t, a, a.issuer(), "receiver")
	reached, proceed := make(chan struct{}), make(chan struct{})
	rx.block = func(n int) {
		if n == 3 {
			close(reached)
			<-proceed
		}
	}
	made := a.subscribe(a.token(admin), rx)
	app := a.create(a.token(admin), settings{"scopes": []string{"a"}})
	c.settled() // all of them know the application
	for _, s := range c.members {
		s.revokeOne(app)
		s.revokeOne(app)
	}
	<-reached
	victim := c.pusher(made.ID)
	victim.kill()
	close(proceed)
	var left []*server
	for _, s := range c.members {
		if s != victim {
			left = append(left, s)
		}
	}
	left[0].revokeOne(app)
	last := left[1]
	token := last.token(admin)

	// The lease of the one that is gone ends after a quarter of a minute.
	last.within(3*patience, "everything is acknowledged", func() bool {
		return len(rx.told()) == 7 && last.webhook(token, made.ID).Lag == 0
	})
	same(t, rx, last.ended(token))
	if n := len(rx.seen()); n < 8 {
		t.Errorf("%d pushes of 7 endings: the one that was under way was not repeated", n)
	}

	last.do("DELETE", webhooksPath+"/"+made.ID, "", "", bearer(token)).want(204)
	n := len(rx.seen())
	next := newReceiver(t, last, a.issuer(), "receiver")
	made = left[0].subscribe(left[0].token(admin), next)
	last.revokeOne(app)
	last.eventually("another one is told", func() bool { return len(next.seen()) == 1 })
	if more := len(rx.seen()); more != n {
		t.Errorf("%d pushes to a deleted webhook", more-n)
	}
}
