package follow

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Fresh returns nil while this replica may answer, and otherwise why not:
// ErrDamaged, ErrNotReady or ErrStale. It takes no lock.
func (f *Follower) Fresh() error {
	if err := f.trusted(); err != nil {
		return err
	}
	if f.age() > f.cfg.MaxStaleness {
		return ErrStale
	}
	return nil
}

// WaitReady returns nil as soon as the replica has caught up with the end that
// the log had at the start and proved it. It returns ErrDamaged if it never
// will, ErrClosed after Close, or the cause of ctx.
func (f *Follower) WaitReady(ctx context.Context) error {
	select {
	case <-f.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.halted:
		if d := f.damage.Load(); d != nil {
			return d.err
		}
		return ErrClosed
	}
}

// ProveWrite says that this replica appended the record at position, and that
// it began to do so at begun, by the follower's clock. Called after WaitFor,
// it makes a busy replica's own pages its proof of freshness.
func (f *Follower) ProveWrite(position events.Position, begun time.Time) {
	if f.Position() >= position {
		f.proved(begun)
	}
}

// Status is what Follower knows of itself.
type Status struct {
	Position  events.Position // last applied record
	Last      events.Position // the log is known to have reached this
	Lag       uint64          // Last - Position
	Freshness time.Duration   // since the last proof was begun; without one, since the start
	Beacon    time.Duration   // since the last own beacon that came back was begun; negative: none did
	Leader    bool            // the log's leader answered when it was last asked
	Snapshot  events.Position // of the newest snapshot; 0: none
	Err       error           // of Fresh
}

// Status returns a momentary picture.
func (f *Follower) Status() Status {
	s := Status{
		Position: f.Position(), Freshness: f.age(), Err: f.Fresh(), Beacon: -1, Leader: f.cfg.Journal.Led(),
		Snapshot: events.Position(f.snapshots.saved.Load()),
	}
	if sent := f.beacon.Load(); sent != nil {
		s.Beacon = sent.until(momentOf(f.cfg.Clock()))
	}
	s.Last = max(s.Position, events.Position(f.last.Load()))
	s.Lag = uint64(s.Last - s.Position)
	return s
}

// age is the time since the last proof was begun.
func (f *Follower) age() time.Duration {
	since := &f.begin
	if proven := f.proven.Load(); proven != nil {
		since = proven
	}
	return since.until(momentOf(f.cfg.Clock()))
}

// proved notes that everything acknowledged before begun is applied.
func (f *Follower) proved(begun time.Time) { advance(&f.proven, begun) }

// advance moves to a moment, never back.
func advance(to *atomic.Pointer[moment], begun time.Time) {
	for m := momentOf(begun); ; {
		known := to.Load()
		if known != nil && !known.clock.Before(m.clock) || to.CompareAndSwap(known, &m) {
			return
		}
	}
}

// moment is a time by the monotonic clock and by the time of day.
type moment struct{ clock, wall time.Time }

func momentOf(t time.Time) moment { return moment{t, t.Round(0)} }

// until is how much time passed, by whichever clock says more: the monotonic
// one stands still while the machine sleeps or is paused, and the time of day
// may be set back.
func (m moment) until(now moment) time.Duration {
	return max(now.clock.Sub(m.clock), now.wall.Sub(m.wall))
}

// reached notes that the log has the position.
func (f *Follower) reached(position events.Position) {
	for {
		known := f.last.Load()
		if uint64(position) <= known || f.last.CompareAndSwap(known, uint64(position)) {
			return
		}
	}
}
