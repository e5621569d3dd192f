// Package notary keeps the Merkle tree of a replica up to date with the log and
// signs its root, so that whoever keeps a checkpoint can tell later whether
// the log was altered.
//
// The tree follows the state: the replica tells of every record that became
// visible (Applied), which costs it one hash of the record, and a goroutine of
// the notary's own (Run) does the rest. What the notary missed, because it was
// not there yet or could not write, it reads from the log again, in the
// background. So nothing that a request waits for waits for the tree, except a
// proof.
//
// A replica never signs what it does not know: no head behind its own state,
// and none that contradicts one it has signed. A tree that is not of this log
// (ErrForked) is kept, as evidence, and nothing is signed.
package notary

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
)

var (
	// ErrUnavailable says that the tree has not reached the log, or that it
	// cannot be read or written (HTTP: 503). It wraps the cause.
	ErrUnavailable = errors.New("notary: the tree is not available")

	// ErrForked: the log is not the one that this replica kept the tree of.
	ErrForked = errors.New("notary: the log contradicts the tree that was kept of it")

	errBehind = errors.New("it has not reached the log")
)

// Config says what to keep the tree of. All fields but Base and Logger are required.
type Config struct {
	// Read gives records of the log; see journal.Journal.Read.
	Read func(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error
	// Base lays the tree over what was archived of the log into a directory,
	// which it makes. nil: the log begins with its first record.
	Base func(ctx context.Context, dir string) error
	// At is the place in the log that the replica's state shows.
	At func() journal.Cursor
	// Dir holds the tree, and nothing else.
	Dir    string
	Signer *tree.Signer
	Logger *slog.Logger // nil: nothing is logged
}

const (
	// maxQueued bounds the leaves that wait for Run: 4 MiB.
	maxQueued = 64 << 10
	// saveEvery is how often the tree is made durable at most. After a crash,
	// what was not is read again.
	saveEvery = 10 * time.Second

	firstRetry = 250 * time.Millisecond
	lastRetry  = 30 * time.Second

	// patience is how long a proof waits for the tree to reach the state.
	patience = time.Second
)

// Notary is safe for concurrent use.
type Notary struct {
	cfg  Config
	log  *slog.Logger
	tree *tree.Tree

	wake chan struct{} // something is to be done

	mu      sync.Mutex      // guards the fields below
	next    events.Position // the record to queue next; 0: none is queued
	queue   []queued
	moved   chan struct{} // closed when reach should look again, and made anew
	agreed  bool          // the tree is known to be this log's
	failure error         // why the tree stands still; nil: it does not
	damaged bool          // its files are
}

// queued is a record that waits for its place in the tree.
type queued struct {
	leaf  tree.Hash
	chain events.Chain
}

// New opens the tree. Nothing happens to it before Run.
func New(cfg Config) (*Notary, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	t, err := tree.Open(cfg.Dir, cfg.Signer.Name())
	if t == nil {
		return nil, err
	}
	n := &Notary{cfg: cfg, log: cfg.Logger, tree: t, wake: make(chan struct{}, 1), moved: make(chan struct{})}
	if errors.Is(err, tree.ErrDamaged) {
		n.log.Warn("the tree is made anew from the log", "err", err)
	} else if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return n, nil
}

// Close gives the files back, after Run has returned.
func (n *Notary) Close() error { return n.tree.Close() }

// Applied is told of every record that became visible, in log order, by the
// goroutine that applies them.
func (n *Notary) Applied(r *journal.Record) {
	defer n.signal()
	if !n.takes(r.Position) {
		return
	}
	leaf := tree.Leaf(r.Subject, r.Payload)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != r.Position {
		return // Run began anew meanwhile
	}
	n.queue, n.next = append(n.queue, queued{leaf, r.Chain}), r.Position+1
	if len(n.queue) == maxQueued {
		n.next = 0
	}
}

// takes reports whether a record is the one to queue next.
func (n *Notary) takes(position events.Position) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != 0 && position > n.next {
		n.next = 0 // one was not told of: the log has it
	}
	return position == n.next
}

func (n *Notary) signal() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// reach waits until the tree has a record.
func (n *Notary) reach(ctx context.Context, position events.Position) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		n.mu.Lock()
		moved, agreed, failure := n.moved, n.agreed, n.failure
		n.mu.Unlock()
		switch {
		case agreed && n.tree.At().Position >= position:
			return nil
		case failure != nil:
			return fmt.Errorf("%w: %w", ErrUnavailable, failure)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnavailable, errBehind)
		}
	}
}

// changed has reach look again.
func (n *Notary) changed(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
	close(n.moved)
	n.moved = make(chan struct{})
}
