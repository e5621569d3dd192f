// Package emittest gives tests a replica without HTTP: a journal on a real
// nats-server, a state that follows it, and an emitter. It owns what it starts
// and ends it with the test. Its methods fail the test instead of returning
// errors.
package emittest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/sign"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// Patience bounds waits that a healthy server ends in milliseconds.
const Patience = time.Minute

// Config changes what a replica is made of. The zero Config will do.
type Config struct {
	Journal func(*journal.Config)   // changes the journal's; nil: nothing
	Now     func() time.Time        // nil: time.Now
	OnApply []func(*journal.Record) // see follow.Config
}

// Replica is one server's share of a log, with a connection of its own.
type Replica struct {
	*emit.Emitter
	Journal  *journal.Journal
	Follower *follow.Follower

	t     testing.TB
	store func(context.Context) (*erasable.Store, error)
}

// New starts a replica and waits until it has caught up with the log.
func New(t testing.TB, env *journaltest.Env, c Config) *Replica {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn := env.Connect()
	r := &Replica{t: t, store: func(ctx context.Context) (*erasable.Store, error) {
		return erasable.Open(ctx, erasable.Config{Conn: conn})
	}}
	r.Journal = env.Open(func(j *journal.Config) {
		j.Conn, j.Replica = conn, events.NewID("r_")
		if c.Journal != nil {
			c.Journal(j)
		}
	})
	var err error
	r.Follower, err = follow.Start(ctx, follow.Config{Journal: r.Journal, Single: true, OnApply: c.OnApply})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Follower.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if c.Now == nil {
		c.Now = time.Now
	}
	r.Emitter = emit.New(r.Journal, r.Follower, c.Now)
	if err := r.Follower.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// Impatient makes a journal give up soon, for tests in which the log is gone.
func Impatient(c *journal.Config) {
	c.AckTimeout, c.SettleTimeout = time.Second, 3*time.Second
}

// Sync makes the replica show all that others wrote.
func (r *Replica) Sync() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := r.CatchUp(ctx); err != nil {
		r.t.Fatal(err)
	}
}

// Last is the end of the log: what writes nothing leaves it.
func (r *Replica) Last() events.Position {
	r.t.Helper()
	last, err := r.Journal.Last(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return last
}

// Run carries out a command whose decision does not depend on the time.
func (r *Replica) Run(decide func(*projections.State) (command.Decision, error)) events.Position {
	r.t.Helper()
	position, err := r.Do(context.Background(), emit.Meta{}, func(s *projections.State, _ time.Time) (command.Decision, error) { return decide(s) })
	if err != nil {
		r.t.Fatal(err)
	}
	return position
}

// Record writes events of an organization, whatever the state, each in a
// record of its own. It returns the last position.
func (r *Replica) Record(organization string, data ...events.Data) (position events.Position) {
	r.t.Helper()
	for _, d := range data {
		position = r.Run(func(*projections.State) (command.Decision, error) {
			subject, err := events.SubjectFor(organization, d)
			return command.Decision{Organization: organization, Subject: subject, Events: []events.Data{d}}, err
		})
	}
	return position
}

// Store opens what the log must be able to forget.
func (r *Replica) Store() *erasable.Store {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	store, err := r.store(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return store
}

// Vault opens the log's data key, or makes it.
func (r *Replica) Vault(master seal.Master) *sign.Vault {
	r.t.Helper()
	v := sign.NewVault(master)
	made, err := v.NewDataKey()
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = r.Do(context.Background(), emit.Meta{}, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.FirstDataKey(s, made)
	})
	if err != nil && !errors.Is(err, command.ErrUnchanged) {
		r.t.Fatal(err)
	}
	var sealing map[string][]byte
	r.View(func(s *projections.State) { sealing = s.Keys.Sealing() })
	if err := v.Open(sealing); err != nil {
		r.t.Fatal(err)
	}
	return v
}
