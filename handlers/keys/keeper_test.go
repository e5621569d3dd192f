package keys_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/projections"
)

func TestFirstStart(t *testing.T) {
	env, master, c := journaltest.New(t), seal.NewMaster(), newClock()
	r := newReplica(t, env, master, c, policy)
	r.ensureFirst()
	kid := r.mustSign("ES256")
	if list := r.published(); len(list) != 1 || !list[0].NotBefore.Equal(c.Now()) {
		t.Errorf("published: %+v", list)
	}
	r.ensureFirst() // changes nothing
	if r.follower.Position() != 2 {
		t.Errorf("the log has %d records, want the data key and the signing key", r.follower.Position())
	}

	// A later start, or another replica, finds them.
	later := newReplica(t, env, master, c, policy)
	later.ensureFirst()
	if got := later.mustSign("ES256"); got != kid || later.follower.Position() != 2 {
		t.Errorf("signs with %s at position %d, want %s at 2", got, later.follower.Position(), kid)
	}

	// With another master key it does not start.
	stranger := newReplica(t, env, seal.NewMaster(), c, policy)
	if err := stranger.keeper.EnsureFirst(deadline(t)); !errors.Is(err, seal.ErrWrongMasterKey) {
		t.Errorf("with another master key: %v", err)
	}
}

// Replicas that start on an empty log at once agree on one data key and one
// key for each algorithm.
func TestFirstStartOfSeveralReplicas(t *testing.T) {
	env, master, c := journaltest.New(t), seal.NewMaster(), newClock()
	replicas := make([]*replica, 3)
	for i := range replicas {
		replicas[i] = newReplica(t, env, master, c, policy)
	}
	var starting sync.WaitGroup
	for _, r := range replicas {
		starting.Go(func() {
			if err := r.keeper.EnsureFirst(deadline(t)); err != nil {
				t.Errorf("first start: %v", err)
			}
		})
	}
	starting.Wait()
	for _, r := range replicas {
		r.run()
	}
	for _, r := range replicas {
		r.ensure("EdDSA")
		if len(r.published()) != 2 || r.mustSign("ES256") != replicas[0].mustSign("ES256") ||
			r.mustSign("EdDSA") != replicas[0].mustSign("EdDSA") {
			t.Errorf("keys of a replica: %+v", r.published())
		}
		r.follower.View(func(s *projections.State) {
			if n := len(s.Keys.Sealing()); n != 1 {
				t.Errorf("%d data keys", n)
			}
		})
	}
}

func TestEnsure(t *testing.T) {
	env, c := journaltest.New(t), newClock()
	p := policy
	p.Algorithms = []string{"ES256", "RS256", "PS256", "EdDSA"}
	r := newReplica(t, env, seal.NewMaster(), c, p)
	r.ensureFirst()

	waiting, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.keeper.Ensure(waiting, "PS256"); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody makes keys: %v", err)
	}
	if err := r.keeper.Ensure(waiting, "HS256"); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("an algorithm outside of the policy: %v", err)
	}

	stop := r.run()
	var requests sync.WaitGroup
	for range 8 {
		for _, alg := range p.Algorithms {
			requests.Go(func() {
				if err := r.keeper.Ensure(deadline(t), alg); err != nil {
					t.Errorf("%s: %v", alg, err)
				}
			})
		}
	}
	requests.Wait()
	for _, alg := range p.Algorithms {
		r.mustSign(alg)
	}
	if n := len(r.published()); n != len(p.Algorithms) {
		t.Errorf("%d keys for %d algorithms", n, len(p.Algorithms))
	}
	stop()
	r.ensure("RS256") // there is nothing to wait for
}

func TestEnsureWhenTheServerStops(t *testing.T) {
	env, c := journaltest.New(t), newClock()
	r := newReplica(t, env, seal.NewMaster(), c, policy)
	r.run()()
	if err := r.keeper.Ensure(context.Background(), "EdDSA"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A key lives through publication, use, replacement and retirement, kept by
// several replicas that race for each step.
func TestKeyLife(t *testing.T) {
	env, master, c := journaltest.New(t), seal.NewMaster(), newClock()
	p := policy
	p.Algorithms = []string{"ES256"}
	replicas := []*replica{newReplica(t, env, master, c, p), newReplica(t, env, master, c, p)}
	a, b := replicas[0], replicas[1]
	a.ensureFirst()
	b.ensureFirst()
	for _, r := range replicas {
		r.run()
	}
	wake := func() {
		for _, r := range replicas {
			r.keeper.Wake()
		}
	}
	first := a.mustSign("ES256")

	c.advance(p.Rotation)
	wake()
	for _, r := range replicas {
		r.until("a successor is published", func(k *projections.Keys) bool { return len(k.Published()) == 2 })
		if kid := r.mustSign("ES256"); kid != first {
			t.Errorf("%s signs before all caches have it", kid)
		}
	}
	second := a.published()[1].ID

	c.advance(p.Cache + p.Lag)
	wake()
	for _, r := range replicas {
		r.until("the successor takes over", func(k *projections.Keys) bool {
			active, _ := k.Active("ES256")
			return active.ID == second
		})
		if kid := r.mustSign("ES256"); kid != second {
			t.Errorf("signs with %s, want %s", kid, second)
		}
	}

	c.advance(p.TokenLifetime + p.Cache + p.Lag)
	wake()
	for _, r := range replicas {
		r.until("the former key is retired", func(k *projections.Keys) bool { return len(k.Published()) == 1 })
		if list := r.published(); list[0].ID != second {
			t.Errorf("published: %+v", list)
		}
	}
	if last := a.follower.Position(); last != 5 { // data key, first, second, activated, retired
		t.Errorf("%d records: some step was made twice", last)
	}
}

func TestRotate(t *testing.T) {
	env, master, c := journaltest.New(t), seal.NewMaster(), newClock()
	r := newReplica(t, env, master, c, policy)
	other := newReplica(t, env, master, c, policy)
	r.ensureFirst()
	other.ensureFirst()
	first := r.mustSign("ES256")
	r.run()
	r.ensure("EdDSA")

	position, err := other.keeper.Rotate(deadline(t), emit.Meta{}, "ES256")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.keeper.Rotate(deadline(t), emit.Meta{}, "ES256"); !isKind(err, command.KindConflict) {
		t.Errorf("again: %v", err)
	}
	if _, err := other.keeper.Rotate(deadline(t), emit.Meta{}, "none"); !isKind(err, command.KindInvalid) {
		t.Errorf("an unknown algorithm: %v", err)
	}

	// The other replica's keeper, which was not told, sees to the activation.
	c.advance(policy.Cache + policy.Lag)
	if err := r.follower.WaitFor(deadline(t), position); err != nil {
		t.Fatal(err)
	}
	r.keeper.Wake()
	r.until("the successor takes over", func(k *projections.Keys) bool {
		active, _ := k.Active("ES256")
		return active.ID != first
	})
}

// While the log is away nothing is handed out; afterwards everything goes on,
// with the key that was made already.
func TestLogAway(t *testing.T) {
	env, c := journaltest.New(t), newClock()
	r := newReplica(t, env, seal.NewMaster(), c, policy)
	r.ensureFirst()
	env.Stop()
	r.run()
	err := r.keeper.Ensure(deadline(t), "EdDSA")
	if !errors.Is(err, journal.ErrUnavailable) && !errors.Is(err, journal.ErrUncertain) {
		t.Errorf("got %v", err)
	}
	if _, _, err := r.signer.Sign("EdDSA", "at+jwt", []byte("{}")); err == nil {
		t.Error("signs with a key that the log does not have")
	}
	env.Start()
	r.until("the key is recorded", func(k *projections.Keys) bool { return len(k.Published()) == 2 })
	r.ensure("EdDSA")
	r.mustSign("EdDSA")
}
