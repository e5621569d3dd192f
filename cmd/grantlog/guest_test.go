package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
)

// party is a cluster of three members in this process.
type party struct {
	t       *testing.T
	key     seal.Master
	place   clusterPlace
	dirs    []string
	members []*embeddedNATS
}

func startParty(t *testing.T) *party {
	t.Helper()
	p := &party{t: t, key: seal.NewMaster(), place: clusterPlace{Name: "party"}, members: make([]*embeddedNATS, 3)}
	for range p.members {
		p.place.Routes = append(p.place.Routes, "nats://"+journaltest.Address(t))
		p.dirs = append(p.dirs, t.TempDir())
	}
	for i := range p.members {
		p.start(i)
		t.Cleanup(func() { p.members[i].stop() })
	}
	return p
}

// start starts a member. The port of one that was stopped may still be with a
// process that is forked just now.
func (p *party) start(i int) {
	p.t.Helper()
	c := &clusterSettings{Name: p.place.Name, Listen: address(hostOf(p.place.Routes[i])), Routes: p.place.Routes}
	m, err := newMembership(c, p.dirs[i], p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.eventually("a member starts", func() bool {
		if p.members[i], err = startMember(p.dirs[i], "", m, slog.New(slog.DiscardHandler)); err != nil {
			p.t.Log(err)
		}
		return err == nil
	})
}

// joined returns a guest, once the cluster has a leader.
func (p *party) joined() (*guest, *nats.Conn) {
	p.t.Helper()
	var g *guest
	var conn *nats.Conn
	p.eventually("a guest is let in", func() bool {
		var err error
		if g, conn, err = joinCluster(p.t.Context(), &p.place, p.key, slog.New(slog.DiscardHandler)); err != nil {
			p.t.Log(err)
		}
		return err == nil
	})
	return g, conn
}

func (p *party) eventually(what string, condition func() bool) {
	p.t.Helper()
	if !holds(p.t.Context(), patience, condition) {
		p.t.Fatalf("waited in vain until %s", what)
	}
}

// remotes is how many servers each member is connected to.
func (p *party) remotes(want int) func() bool {
	return func() bool {
		return !slices.ContainsFunc(p.members, func(e *embeddedNATS) bool { return e.server.NumRemotes() != want })
	}
}

// A guest asks members for what JetStream does and has no part in it. Nothing
// is left of it when it is gone, and members come back while it is there.
func TestGuest(t *testing.T) {
	t.Parallel()
	p := startParty(t)
	g, conn := p.joined()
	if g.server.JetStreamEnabled() || g.server.Addr() != nil || !g.server.ClusterAddr().IP.IsLoopback() {
		t.Error("a guest has JetStream, or can be reached from elsewhere")
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	p.eventually("a stream has three copies", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		s, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept"}, Replicas: 3})
		if err == nil {
			_, err = js.Publish(ctx, "kept", []byte("x"))
		}
		if err != nil {
			t.Log(err)
			return false
		}
		at := s.CachedInfo().Cluster
		for _, member := range append(at.Replicas, &jetstream.PeerInfo{Name: at.Leader}) {
			if strings.HasPrefix(member.Name, guestPrefix) {
				t.Errorf("a copy stands on %s", member.Name)
			}
		}
		return true
	})
	for _, e := range p.members {
		info, err := e.server.Jsz(&server.JSzOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if size := info.Meta.Size; size != 3 {
			t.Errorf("%s counts %d members", e.server.Name(), size)
		}
	}

	// The first member is the one that the guest names for itself.
	p.members[0].stop()
	p.start(0)
	p.eventually("all are connected again", func() bool { return g.company() == 3 && p.remotes(3)() })
	conn.Close()
	g.leave()
	p.eventually("the guest is gone", p.remotes(2))

	again, conn := p.joined()
	defer again.leave()
	defer conn.Close()
	if js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	p.eventually("the next guest reads what the first one wrote", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		s, err := js.Stream(ctx, "KEPT")
		if err != nil {
			t.Log(err)
			return false
		}
		return s.CachedInfo().State.Msgs > 0
	})
}

// Whoever lacks the master key, or means another cluster, is told so.
func TestGuestIsNotLetIn(t *testing.T) {
	t.Parallel()
	p := startParty(t)
	other := p.place
	other.Name = "other"
	for name, c := range map[string]struct {
		place clusterPlace
		key   seal.Master
		want  string
	}{
		"another master key": {p.place, seal.NewMaster(), `no member of "party" lets this command in`},
		"another cluster":    {other, p.key, `no member of "other" lets this command in`},
		"nobody is there":    {clusterPlace{"party", routeURLs{"nats://127.0.0.1:1"}}, p.key, "does one run there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, conn, err := joinCluster(t.Context(), &c.place, c.key, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "master key") {
				t.Errorf("let in: %v, %v", conn != nil, err)
			}
		})
	}
}
