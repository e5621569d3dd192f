package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events/seal"
)

const (
	// guestPrefix begins the names of guests; members' are addresses.
	guestPrefix = "guest-"

	// admissionTime is how long a command that was let into a cluster waits for
	// it to answer: longer than the election of a leader takes.
	admissionTime = 15 * time.Second
	// companyTime is how long it waits for all of the members. Those that are
	// down must not keep it.
	companyTime = 2 * time.Second
	// answerTime is when it asks again, as an election may be under way.
	answerTime = 500 * time.Millisecond
	guestPoll  = 5 * time.Millisecond

	// jetStreamRequests is what a server with JetStream listens to.
	jetStreamRequests = jetstream.DefaultAPIPrefix + ">"
)

var errNotJoined = errors.New("cannot join the cluster")

// guest is a command that has joined a cluster of grantlog's own servers. Their
// members open no port for clients, so it comes as one of them, by its proof of
// the master key, but without JetStream: it keeps nothing, has no vote, and
// nothing is placed on it. What it asks of JetStream, members answer.
type guest struct {
	server  *server.Server
	said    *natsLogger
	members int // that are expected
}

// joinCluster joins a cluster and returns a connection to it, which the caller
// closes before the guest leaves.
func joinCluster(ctx context.Context, c *clusterPlace, master seal.Master, log *slog.Logger) (_ *guest, _ *nats.Conn, err error) {
	g, err := enter(ctx, c, master, log)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNotJoined, err)
	}
	conn, err := nats.Connect("", append(connOptions(log), nats.InProcessServer(g))...)
	if err == nil {
		if err = g.admitted(ctx, c, conn); err == nil {
			return g, conn, nil
		}
		conn.Close()
	}
	g.leave()
	return nil, nil, fmt.Errorf("%w: %w", errNotJoined, err)
}

// enter starts the server that joins. It waits for nobody.
func enter(ctx context.Context, c *clusterPlace, master seal.Master, log *slog.Logger) (*guest, error) {
	config, err := routeTLS(master.Derive(purposeCluster))
	if err != nil {
		return nil, err
	}
	routes, members := c.everywhere(ctx)
	opts := &server.Options{DontListen: true, NoSigs: true}
	m := &membership{
		cluster: &clusterSettings{
			Name: c.Name, Listen: "127.0.0.1:0", Routes: routes,
			// Members tell each other where a new one is to be reached, and the
			// guest is nowhere: it leads them to what they know.
			Advertise: c.Routes.first(),
		},
		name: guestPrefix + strings.ToLower(rand.Text()), tls: config,
	}
	if err := m.apply(opts); err != nil {
		return nil, err
	}
	opts.Cluster.Port = server.RANDOM_PORT
	opts.Cluster.PoolSize = -1 // one connection to a member: what is sent while several are made may be lost
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, err
	}
	said := &natsLogger{log: log, alarm: make(chan struct{}, 1), aside: true}
	s.SetLoggerV2(said, log.Enabled(context.Background(), slog.LevelDebug), false, false)
	s.Start()
	route(s, false)
	g := &guest{s, said, members}
	if reason := said.fatal.Load(); reason != nil {
		g.leave()
		return nil, errors.New(*reason)
	}
	return g, nil
}

// everywhere is the routes with all addresses of a name in its place, and how
// many members may be there: several may share a name, and one may have an
// address of both kinds. A server does not call at a name whose address might be
// its own, as that of a member on the same machine is.
func (c *clusterPlace) everywhere(ctx context.Context) (all routeURLs, members int) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for _, route := range c.Routes {
		host, port, _ := net.SplitHostPort(hostOf(route))
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			all, members = append(all, route), members+1 // it may be known later
			continue
		}
		old := 0
		for _, ip := range found {
			if ip = ip.Unmap(); ip.Is4() {
				old++
			}
			all = append(all, "nats://"+net.JoinHostPort(ip.String(), port))
		}
		members += max(old, len(found)-old)
	}
	return all, members
}

// InProcessConn implements nats.InProcessConnProvider.
func (g *guest) InProcessConn() (net.Conn, error) { return g.server.InProcessConn() }

// admitted waits until the members let the guest in and answer.
func (g *guest) admitted(ctx context.Context, c *clusterPlace, conn *nats.Conn) error {
	if !holds(ctx, connectTimeout, func() bool { return g.company() > 0 }) {
		reason := ""
		if last := g.said.last.Load(); last != nil {
			reason = " (" + *last + ")"
		}
		return fmt.Errorf("no member of %q lets this command in at %s: does one run there, and is this its master key?%s",
			c.Name, strings.Join(c.Routes, ", "), reason)
	}
	// Only the member that leads something answers what is asked of it.
	holds(ctx, companyTime, func() bool { return g.company() >= g.members })
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	if !holds(ctx, admissionTime, func() bool { return answers(ctx, js) }) {
		return fmt.Errorf("%q does not answer: do most of its members run, and does --cluster-routes name all of them?", c.Name)
	}
	return nil
}

// company is how many members the guest may ask: those that have told it that
// they listen to requests for JetStream.
func (g *guest) company() int {
	routes, err := g.server.Routez(&server.RoutezOptions{Subscriptions: true})
	if err != nil {
		return 0
	}
	met := map[string]bool{}
	for _, r := range routes.Routes {
		if !strings.HasPrefix(r.RemoteName, guestPrefix) && slices.Contains(r.Subs, jetStreamRequests) {
			met[r.RemoteID] = true
		}
	}
	return len(met)
}

// answers reports whether a leader of the cluster does.
func answers(ctx context.Context, js jetstream.JetStream) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, err := js.AccountInfo(ctx)
	return err == nil
}

// holds waits for a condition; false: it did not come in time.
func holds(ctx context.Context, atMost time.Duration, condition func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	tick := time.NewTicker(guestPoll)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// leave ends the membership.
func (g *guest) leave() {
	g.server.Shutdown()
	g.server.WaitForShutdown()
}
