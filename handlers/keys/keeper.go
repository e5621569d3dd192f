// Package keys owns the signing keys' way through time: the Keeper makes the
// first ones, publishes successors, lets them take over and retires what they
// replaced; the Endpoint lists the keys and rotates on request.
//
// Every replica runs a Keeper. What is due is decided by command.KeyPolicy on
// the replica's state, and every change is a compare-and-swap on the set of
// keys: of several replicas that see the same work, the log lets one win, and
// the others find it done. A Keeper's own changes are made one after another.
package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/projections"
)

// Vault makes keys and holds the data keys that seal them; see sign.Vault.
type Vault interface {
	// Open unwraps the data keys that the log shows.
	Open(wrapped map[string][]byte) error
	// NewDataKey makes a data key that is not open yet.
	NewDataKey() (*events.SealingKeyCreated, error)
	// NewKey makes a signing key for a JWS algorithm.
	NewKey(alg string) (*events.KeyCreated, error)
}

// Config is what a Keeper works with.
type Config struct {
	Emit   *emit.Emitter     // required
	Vault  Vault             // required
	Policy command.KeyPolicy // required
	Logger *slog.Logger      // nil: nothing is logged
	// Poll is how long Run rests at most without being woken. 0: 15 s.
	Poll time.Duration
}

// Keeper keeps the keys as the policy wants them.
type Keeper struct {
	cfg  Config
	wake chan struct{} // something changed here: look again
	done chan struct{} // closed when Run returns

	mu     sync.Mutex
	wanted map[string]*flight // by algorithm: those that somebody waits for

	// made are keys that could not be recorded, by algorithm, for the next
	// attempt. EnsureFirst uses it, then Run.
	made map[string]*events.KeyCreated
}

// errStopped is answered as 503, as every request is that ends with the server.
var errStopped = fmt.Errorf("keys: the server stops: %w", context.Canceled)

// NewKeeper returns a Keeper that does nothing yet.
func NewKeeper(cfg Config) *Keeper {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Poll == 0 {
		cfg.Poll = 15 * time.Second
	}
	return &Keeper{
		cfg: cfg, wake: make(chan struct{}, 1), done: make(chan struct{}),
		wanted: map[string]*flight{}, made: map[string]*events.KeyCreated{},
	}
}

// EnsureFirst makes the server able to sign: it opens the log's data key, or
// creates it, and sees to a key of the policy's first algorithm. A master key
// that is not the log's is an error here, before anything is served.
func (k *Keeper) EnsureFirst(ctx context.Context) error {
	if err := k.openDataKey(ctx); err != nil {
		return err
	}
	alg := k.cfg.Policy.Algorithms[0]
	if k.active(alg) {
		return nil
	}
	return k.add(ctx, alg)
}

// openDataKey lets the log say which data key counts: the first one in it.
func (k *Keeper) openDataKey(ctx context.Context) error {
	sealing := k.sealing()
	if len(sealing) == 0 {
		made, err := k.cfg.Vault.NewDataKey()
		if err != nil {
			return err
		}
		err = k.change(ctx, func(s *projections.State, _ time.Time) (command.Decision, error) {
			return command.FirstDataKey(s, made)
		})
		if err != nil {
			return fmt.Errorf("keys: record the data key: %w", err)
		}
		sealing = k.sealing()
	}
	if err := k.cfg.Vault.Open(sealing); err != nil {
		return fmt.Errorf("keys: open the log's data key: %w", err)
	}
	return nil
}

// Ensure waits until an algorithm has a key that signs. Run makes it, once for
// all who wait, before any other work.
func (k *Keeper) Ensure(ctx context.Context, alg string) error {
	if k.active(alg) {
		return nil
	}
	if !slices.Contains(k.cfg.Policy.Algorithms, alg) {
		return fmt.Errorf("keys: %q is not an algorithm that keys are kept for", alg)
	}
	f := k.want(alg)
	k.Wake()
	select {
	case <-f.done:
		return f.err
	case <-k.done:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rotate publishes new keys for alg, or for every algorithm that has a key if
// it is empty, and returns where the log has them. They take over by
// themselves once every cache has them.
func (k *Keeper) Rotate(ctx context.Context, meta emit.Meta, alg string) (events.Position, error) {
	var algs []string
	var err error
	k.cfg.Emit.View(func(s *projections.State) { algs, err = k.cfg.Policy.Rotatable(s.Keys, alg) })
	if err != nil {
		return 0, err
	}
	var made []*events.KeyCreated
	for _, alg := range algs {
		key, err := k.cfg.Vault.NewKey(alg)
		if err != nil {
			return 0, err
		}
		made = append(made, key)
	}
	position, err := k.cfg.Emit.Do(ctx, meta, func(s *projections.State, now time.Time) (command.Decision, error) {
		return k.cfg.Policy.RotateKeys(s, now, alg, made)
	})
	k.Wake() // the Keeper did not know that something will fall due
	return position, err
}

// add makes a key for an algorithm and records it, if the policy wants one.
func (k *Keeper) add(ctx context.Context, alg string) error {
	key := k.made[alg]
	if key == nil {
		var err error
		if key, err = k.cfg.Vault.NewKey(alg); err != nil {
			return err
		}
		k.made[alg] = key
	}
	err := k.change(ctx, func(s *projections.State, now time.Time) (command.Decision, error) {
		return k.cfg.Policy.AddKeys(s, now, []*events.KeyCreated{key})
	})
	if err != nil {
		return fmt.Errorf("keys: record a %s key: %w", alg, err)
	}
	delete(k.made, alg)
	return nil
}

// change appends a decision, unless the log shows that another replica was
// first.
func (k *Keeper) change(ctx context.Context, decide emit.Decide) error {
	position, err := k.cfg.Emit.Do(ctx, emit.Meta{}, decide)
	if errors.Is(err, command.ErrUnchanged) {
		return nil
	}
	if err == nil {
		k.cfg.Logger.Info("keys changed", "position", position)
	}
	return err
}

func (k *Keeper) sealing() (wrapped map[string][]byte) {
	k.cfg.Emit.View(func(s *projections.State) { wrapped = maps.Clone(s.Keys.Sealing()) })
	return wrapped
}

func (k *Keeper) active(alg string) (ok bool) {
	k.cfg.Emit.View(func(s *projections.State) { _, ok = s.Keys.Active(alg) })
	return ok
}
