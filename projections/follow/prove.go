package follow

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/grantlog/grantlog/events"
)

// prove keeps the replica fresh. The first proof makes it ready.
func (f *Follower) prove(ctx context.Context) {
	if f.WaitFor(ctx, f.firstEnd.position) != nil {
		return
	}
	if f.cfg.Single {
		f.proved(f.firstEnd.begun)
	}
	ready, stale := false, false
	for ctx.Err() == nil {
		var err error
		if f.proven.Load() == nil || f.age() >= f.quarter() {
			err = f.proveOnce(ctx)
		}
		if !ready && f.proven.Load() != nil {
			f.cfg.Journal.SetSeen(f.seen)
			f.adopt()
			close(f.ready)
			f.log.Info("caught up with the log", "position", f.firstEnd.position, "replayed", f.firstEnd.position-f.restored)
			f.keep()
			ready = true
		}
		stale = f.report(stale, err)
		select {
		case <-time.After(f.pause(err)):
		case <-ctx.Done():
		}
	}
}

// quarter of MaxStaleness without a proof is when the next one is due: time
// enough for some more attempts.
func (f *Follower) quarter() time.Duration { return f.cfg.MaxStaleness / 4 }

// pause is how long to leave it at the last proof. Replicas of a cluster do
// not send their beacons all at once.
func (f *Follower) pause(err error) time.Duration {
	if err != nil {
		return f.quarter() / 4
	}
	rest := max(0, f.quarter()-f.age())
	if f.cfg.Single || rest == 0 {
		return rest
	}
	return rest + rand.N(f.quarter()+1)
}

// proveOnce asks for a position and waits until it is applied.
func (f *Follower) proveOnce(ctx context.Context) error {
	if d := f.damage.Load(); d != nil {
		return d.err // no beacon into a log that does not continue
	}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.MaxStaleness)
	defer cancel()
	applied, begun := f.Position(), f.cfg.Clock()
	position, err := f.end(ctx)
	if err != nil {
		return err
	}
	if position < applied || position == applied && !f.cfg.Single {
		return f.fork(applied, position)
	}
	f.reached(position)
	if err := f.WaitFor(ctx, position); err != nil {
		return err
	}
	f.proved(begun)
	if !f.cfg.Single {
		advance(&f.beacon, begun)
	}
	return nil
}

// end returns a position at or after everything that was acknowledged before
// the call.
func (f *Follower) end(ctx context.Context) (events.Position, error) {
	if f.cfg.Single {
		return f.cfg.Journal.Last(ctx)
	}
	return f.cfg.Journal.Append(ctx, events.BeaconsSubject(), &events.Event{
		ID:   events.NewID("e_"),
		Time: f.cfg.Clock().UTC().Truncate(time.Microsecond),
		Data: &events.BeaconSent{Nonce: events.NewID("b_")},
	})
}

// fork stops the follower: the log gives positions a second time.
func (f *Follower) fork(applied, got events.Position) error {
	err := fmt.Errorf("%w: %w: it goes on at position %d, and %d was applied here", ErrDamaged, ErrShortened, got, applied)
	f.damage.Store(&damage{err: err, at: math.MaxUint64})
	f.log.Error("the log was shortened; this replica stops answering", "applied", applied, "got", got)
	f.cancel(err)
	return err
}

// seen is what this replica vouches for in the pages it writes.
func (f *Follower) seen() events.Seen {
	if f.damage.Load() != nil {
		return events.Seen{}
	}
	at := f.applied.Load()
	return events.Seen{Position: at.Position, Chain: at.Chain}
}

// report logs when freshness is lost and when it is back.
func (f *Follower) report(stale bool, err error) bool {
	now := f.age() > f.cfg.MaxStaleness
	if now && !stale {
		f.log.Warn("the log is not heard of; this replica stops answering", "position", f.Position(), "err", err)
	} else if stale && !now {
		f.log.Info("the log is heard of again", "position", f.Position())
	}
	return now
}
