// Package follow keeps one projections.State up to date with the log: it
// restores the newest snapshot that verifies, its own or one that another
// replica left in the depot, reads the log from there, and never stops reading.
//
// # Ordering and concurrency
//
// One goroutine applies records, each as a whole, under the write lock; a
// reader sees all of a record or nothing of it, and never a record without
// those before it. Position moves after the record is visible, then those who
// wait for it are woken, then the hooks run, in log order.
//
// # Freshness
//
// A replica may answer only while it can prove how old its state is at most.
// A proof is a position of the log that was obtained after some moment T: once
// it is applied, everything acknowledged before T is. In a cluster the position
// must be that of a record which this replica wrote through the stream's quorum
// (its own pages, or a beacon when it wrote none for a while): any other answer
// may come from a node that was cut off. Where the log is one node in this
// process, its own word for its last position is enough.
//
// T is taken from this replica's clock before the proof is begun and compared
// with that clock only, by its monotonic reading or its time of day, whichever
// counts more: the monotonic one stands still while a machine sleeps. So the
// bound assumes that not both run slow or are set back while they count
// MaxStaleness; it assumes nothing about other machines.
//
// # Damage
//
// What does not continue the log (a gap, a record that fails its checks, an
// unknown event) is not applied, and Fresh fails from then on. The follower
// goes on trying from its last good record and recovers by itself when the log
// is whole again, except where trying again cannot help.
package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// Config says what to follow.
type Config struct {
	// Journal is required. The follower states through it what it had seen.
	Journal *journal.Journal
	// Dir holds snapshots and the watermark. Empty: there are none, and a
	// start replays the whole log and cannot notice that it was shortened.
	Dir string
	// Key seals snapshots; see KeyPurpose. It is required with Dir.
	Key []byte
	// OpenBase returns the base of a log that begins at first; see OpenBase. nil:
	// there is none, and a log that does not begin with its first record is
	// refused.
	OpenBase func(ctx context.Context, first events.Position) (*Base, error)
	// Depot is where a replica whose Dir is empty looks for a snapshot, and
	// where the replicas leave theirs. It needs Dir. nil: there is none.
	Depot *Depot
	// DepotEvery is how old a snapshot in the depot becomes, at least, before
	// a newer one is put there. 0: 10 min.
	DepotEvery time.Duration
	// MaxStaleness is the age of the last proof at which Fresh begins to
	// fail. 0: 10 s.
	MaxStaleness time.Duration
	// Single says that the log is one node that runs in this process.
	Single bool
	// Clock should have a monotonic reading. nil: time.Now.
	Clock func() time.Time
	// Logger may be nil.
	Logger *slog.Logger
	// OnApply is called with every record after it became visible, by the
	// goroutine that applies: it must not block. The record is valid until it
	// returns.
	OnApply []func(*journal.Record)
	// SnapshotBytes is how much of the log is read between two snapshots, at
	// least; no less than the last one's size is, either. 0: 64 MiB.
	SnapshotBytes int64
	// HistoryBytes is how much of the log lies between two states of the past
	// that are kept, at least; see History. 0: 4 MiB.
	HistoryBytes int64
}

const (
	defaultStaleness     = 10 * time.Second
	defaultSnapshotBytes = 64 << 20
	defaultDepotEvery    = 10 * time.Minute
)

// Follower is a replica's state. It is safe for concurrent use.
type Follower struct {
	cfg   Config
	log   *slog.Logger
	begin moment // without a proof, its age counts from here

	mu    sync.RWMutex       // held for writing while a record is applied
	state *projections.State // written by the tail only
	batch batch              // the tail's

	applied  atomic.Pointer[mark]   // what the state shows
	last     atomic.Uint64          // a position that the log is known to have reached
	proven   atomic.Pointer[moment] // when the last proof was begun; nil: there is none
	beacon   atomic.Pointer[moment] // the same of the last one that was an own beacon
	damage   atomic.Pointer[damage]
	waiters  waiters
	marked   journal.Cursor  // where the log was known to be before this start
	restored events.Position // of the snapshot that this start began with; 0: none
	joined   string          // the file that came from the depot; empty: none did
	firstEnd proof           // the end of the log at the start

	ready  chan struct{} // closed with the first proof
	halted chan struct{} // closed when the tail ended for good, or with Close

	snapshots snapshotter
	watermark watermarker
	catchUps  catchUps
	base      atomic.Pointer[Base] // nil: it was not asked for yet, or there is none
	history   *History             // nil: no Dir
	historian historian

	cancel context.CancelCauseFunc
	work   sync.WaitGroup
}

// mark is a place in the log and the chain before it, by which the record that
// stands there can be recognized.
type mark struct {
	journal.Cursor
	previous events.Chain
}

// proof is a position that was obtained after a moment.
type proof struct {
	position events.Position
	begun    time.Time
}

// Start restores the newest snapshot that verifies and begins to follow. It
// refuses (ErrShortened) a log that ends before a position which this replica
// is known to have applied. ctx bounds the start only; Close ends the
// follower. The state may be read at once, but Fresh fails until it has met
// the end that the log had at the start.
func Start(ctx context.Context, cfg Config) (*Follower, error) {
	f, err := newFollower(cfg)
	if err != nil {
		return nil, err
	}
	if err := f.restore(ctx); err != nil {
		return nil, err
	}
	if err := f.meetEnd(ctx); err != nil {
		return nil, err
	}
	life, cancel := context.WithCancelCause(context.Background())
	f.cancel = cancel
	f.work.Go(func() { f.tail(life) })
	f.work.Go(func() { f.prove(life) })
	f.work.Go(func() { f.watch(life) })
	f.work.Go(func() { f.proveToCallers(life) })
	if f.cfg.Dir != "" {
		f.work.Go(func() { f.takeSnapshots(life) })
		f.work.Go(func() { f.keepWatermark(life) })
		f.work.Go(func() { f.keepHistory(life) })
	}
	if f.cfg.Dir != "" && f.cfg.Depot != nil {
		f.work.Go(func() { f.supply(life) })
	}
	return f, nil
}

// meetEnd asks where the log ends. In a cluster, a leader that was cut off from
// the others tells an old end, until it knows: that the log was shortened is
// believed only when it has taken a record at a place that was filled before.
func (f *Follower) meetEnd(ctx context.Context) (err error) {
	known := max(f.marked.Position, f.Position())
	least := known
	f.firstEnd.begun = f.cfg.Clock()
	f.firstEnd.position, err = f.cfg.Journal.Last(ctx)
	if err == nil && f.firstEnd.position < known && !f.cfg.Single {
		f.firstEnd.position, err = f.end(ctx)
		least = known + 1
	}
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	if f.firstEnd.position < least {
		return f.shortened(known)
	}
	f.reached(f.firstEnd.position)
	return nil
}

// shortened is the error of a log that ends before a known position.
func (f *Follower) shortened(known events.Position) error {
	if f.joined != "" {
		return fmt.Errorf("%w: it ends at position %d, and the object store has a snapshot of position %d; if the log was put back on purpose, remove the bucket %s",
			ErrShortened, f.firstEnd.position, known, DepotBucket)
	}
	return fmt.Errorf("%w: it ends at position %d, and %d was applied here", ErrShortened, f.firstEnd.position, known)
}

func newFollower(cfg Config) (*Follower, error) {
	if cfg.Journal == nil {
		return nil, errors.New("follow: no journal")
	}
	if cfg.Dir != "" && len(cfg.Key) == 0 {
		return nil, errors.New("follow: no key for snapshots")
	}
	if cfg.MaxStaleness <= 0 {
		cfg.MaxStaleness = defaultStaleness
	}
	if cfg.SnapshotBytes <= 0 {
		cfg.SnapshotBytes = defaultSnapshotBytes
	}
	if cfg.DepotEvery <= 0 {
		cfg.DepotEvery = defaultDepotEvery
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Follower{
		cfg: cfg, log: cfg.Logger, begin: momentOf(cfg.Clock()), state: projections.New(),
		waiters:   waiters{at: map[events.Position]*waiter{}},
		ready:     make(chan struct{}),
		halted:    make(chan struct{}),
		snapshots: snapshotter{due: make(chan struct{}, 1)},
		watermark: watermarker{moved: make(chan struct{}, 1)},
		catchUps:  catchUps{asked: make(chan struct{}, 1)},
		historian: historian{due: make(chan struct{}, 1)},
	}
	f.applied.Store(&mark{})
	return f, nil
}

// restore finds a state to start with: what was kept in Dir, unless the log
// begins after it.
func (f *Follower) restore(ctx context.Context) (err error) {
	var b beginning
	if f.cfg.Dir != "" {
		if b, err = f.restoreKept(ctx); err != nil {
			return err
		}
	}
	if b, err = f.onBase(ctx, b); err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	state := b.state
	if state == nil {
		return nil
	}
	f.state, f.restored = state, state.Position
	if b.from != fromBase {
		f.snapshots.saved.Store(uint64(state.Position))
	}
	f.applied.Store(&mark{journal.Cursor{Position: state.Position, Chain: state.Chain}, b.previous})
	f.log.Info("snapshot restored", "position", state.Position, "tokens", state.Tokens.Len(), "from", b.from)
	return nil
}

// restoreKept reads what was kept in Dir. A replica that kept nothing takes what
// the others left in the depot; one that has a watermark has its own word for
// what the log was, and replays it from there.
func (f *Follower) restoreKept(ctx context.Context) (b beginning, err error) {
	if err := os.MkdirAll(f.cfg.Dir, 0o700); err != nil {
		return b, fmt.Errorf("follow: %w", err)
	}
	if f.marked, err = Watermark(f.cfg.Dir); err != nil {
		return b, err
	}
	if err := removeLeftovers(f.cfg.Dir); err != nil {
		f.log.Warn("what a crash left unfinished cannot be removed", "err", err)
	}
	f.openHistory()
	b.from = "data directory"
	b.state, b.previous = loadSnapshot(f.cfg.Dir, f.cfg.Key, f.log)
	if b.state == nil && f.cfg.Depot != nil && f.marked.Position == 0 {
		if _, err := f.cfg.Journal.Last(ctx); err != nil {
			return b, fmt.Errorf("follow: %w", err) // who starts it asks again: nothing is fetched in vain
		}
		b.from = "object store"
		b.state, b.previous = f.join(ctx)
	}
	return b, nil
}

// View calls fn with the state. fn must not keep it, change it, block or call
// View; aggregates that it finds there may be kept. What is visible is at or
// after Position.
func (f *Follower) View(fn func(*projections.State)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	fn(f.state)
}

// Epoch is the id of the epoch that a position belongs to, whether it is
// visible yet or not; see projections.Epochs.
func (f *Follower) Epoch(position events.Position) (id string) {
	f.View(func(s *projections.State) { id = s.Epochs.At(position) })
	return id
}

// Position is that of the last record that View shows.
func (f *Follower) Position() events.Position { return f.applied.Load().Position }

// At is the place in the log after that record.
func (f *Follower) At() journal.Cursor { return f.applied.Load().Cursor }

// Close stops following, and keeps a snapshot if there is anything new that is
// known to be the log's. ctx bounds the snapshot.
func (f *Follower) Close(ctx context.Context) error {
	f.cancel(ErrClosed)
	f.work.Wait()
	if f.cfg.Dir == "" || f.trusted() != nil {
		return nil
	}
	return errors.Join(f.Snapshot(ctx), f.saveWatermark())
}
