package keys_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/keys"
	"github.com/grantlog/grantlog/handlers/sign"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.init.0.func1"),
	)
}

// patience bounds every wait; a healthy run needs a fraction of it.
const patience = 30 * time.Second

var policy = command.KeyPolicy{
	Algorithms: []string{"ES256", "EdDSA"},
	Cache:      5 * time.Minute, Lag: 10 * time.Second,
	Rotation: 30 * 24 * time.Hour, TokenLifetime: 24 * time.Hour,
}

// clock is one that the test turns.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

// replica is a server without HTTP: a log of its own or one shared with others.
type replica struct {
	t        *testing.T
	journal  *journal.Journal
	follower *follow.Follower
	emit     *emit.Emitter
	signer   *sign.Signer
	keeper   *keys.Keeper
}

func newReplica(t *testing.T, env *journaltest.Env, master seal.Master, c *clock, p command.KeyPolicy) *replica {
	t.Helper()
	j := env.Open(func(cfg *journal.Config) {
		cfg.Replica = events.NewID("r_")
		cfg.AckTimeout, cfg.SettleTimeout = time.Second, 3*time.Second
	})
	r := &replica{t: t, journal: j}
	woken := func(record *journal.Record) {
		if record.Subject == events.KeysSubject() {
			r.keeper.Wake()
		}
	}
	vault := sign.NewVault(master)
	ctx := deadline(t)
	var err error
	ready := make(chan struct{}) // the hook sees the keeper
	r.follower, err = follow.Start(ctx, follow.Config{
		Journal: j, Single: true,
		OnApply: []func(*journal.Record){func(record *journal.Record) { <-ready; woken(record) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.emit = emit.New(j, r.follower, c.Now)
	r.signer = sign.New(sign.Config{View: r.follower.View, Unsealer: vault})
	r.keeper = keys.NewKeeper(keys.Config{Emit: r.emit, Vault: vault, Policy: p})
	close(ready)
	t.Cleanup(func() {
		if err := r.follower.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := r.follower.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// run starts the keeper; it ends with the test, or when stop is called.
func (r *replica) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.keeper.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	r.t.Cleanup(stop)
	return stop
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (r *replica) ensureFirst() {
	r.t.Helper()
	if err := r.keeper.EnsureFirst(deadline(r.t)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replica) ensure(alg string) {
	r.t.Helper()
	if err := r.keeper.Ensure(deadline(r.t), alg); err != nil {
		r.t.Fatalf("ensure %s: %v", alg, err)
	}
}

func (r *replica) published() (list []*projections.Key) {
	r.follower.View(func(s *projections.State) { list = s.Keys.Published() })
	return list
}

// until waits, record by record, for the state to be as asked.
func (r *replica) until(what string, holds func(*projections.Keys) bool) {
	r.t.Helper()
	ctx := deadline(r.t)
	for {
		var ok bool
		var position events.Position
		r.follower.View(func(s *projections.State) { ok, position = holds(s.Keys), s.Position })
		if ok {
			return
		}
		if err := r.follower.WaitFor(ctx, position+1); err != nil {
			r.t.Fatalf("until %s: %v", what, err)
		}
	}
}

// mustSign signs with an algorithm's active key, and says which one that is.
func (r *replica) mustSign(alg string) (kid string) {
	r.t.Helper()
	token, kid, err := r.signer.Sign(alg, "at+jwt", []byte("{}"))
	if err != nil {
		r.t.Fatalf("sign: %v", err)
	}
	if _, err := r.signer.Verify(token); err != nil {
		r.t.Fatalf("verify: %v", err)
	}
	return kid
}

func isKind(err error, kind command.Kind) bool {
	return errors.Is(err, &command.Error{Kind: kind})
}
