package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// tail applies the log until the follower is closed or trying again is of no
// use.
func (f *Follower) tail(ctx context.Context) {
	defer close(f.halted)
	retry := firstRetry
	for {
		before := f.Position()
		err := f.cfg.Journal.Tail(ctx, f.resume(), f.apply)
		if ctx.Err() != nil {
			return
		}
		if f.Position() > before {
			retry = firstRetry
		}
		if f.stop(err); final(err) {
			f.cancel(err)
			return
		}
		select {
		case <-time.After(retry):
			retry = min(2*retry, lastRetry)
		case <-ctx.Done():
			return
		}
	}
}

// resume is where to read from: the last applied record is read once more, so
// that one that was exchanged meanwhile is noticed.
func (f *Follower) resume() journal.Cursor {
	at := f.applied.Load()
	if at.Position == 0 {
		return at.Cursor
	}
	return journal.Cursor{Position: at.Position - 1, Chain: at.previous}
}

// apply makes a record visible.
func (f *Follower) apply(r *journal.Record) error {
	before := f.applied.Load()
	if err := f.recognize(r, before); err != nil {
		return err
	}
	if r.Position == before.Position {
		f.recovered(r.Position)
		return nil
	}
	if err := f.batch.read(r); err != nil {
		return err
	}
	if err := f.show(r, before); err != nil {
		return err
	}
	f.waiters.wake(r.Position)
	f.recovered(r.Position)
	for _, hook := range f.cfg.OnApply {
		hook(r)
	}
	f.account(r)
	return nil
}

// show changes the state, and what is known of it, at once.
func (f *Follower) show(r *journal.Record, before *mark) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.batch.fold(f.state, r); err != nil {
		return fmt.Errorf("%w: %w", errHalfApplied, err)
	}
	f.reached(r.Position)
	f.applied.Store(&mark{r.Cursor(), before.Chain})
	if f.history != nil {
		f.historian.seen.note(r)
	}
	return nil
}

// recognize compares a record with what this replica knows to stand there.
func (f *Follower) recognize(r *journal.Record, before *mark) error {
	if r.Position == before.Position && r.Chain != before.Chain ||
		r.Position == f.marked.Position && r.Chain != f.marked.Chain {
		return fmt.Errorf("%w: position %d holds another record than was applied here", ErrAltered, r.Position)
	}
	return nil
}

// errHalfApplied cannot happen while every registered event has a fold. The
// state is of no use afterwards.
var errHalfApplied = errors.New("follow: a record was applied in part")

// final reports an end of the tail that trying again does not change.
func final(err error) bool {
	var unknown *events.UnknownTypeError
	return errors.As(err, &unknown) || errors.Is(err, ErrAltered) || errors.Is(err, errHalfApplied)
}

// damage is why the state is not to be trusted to be the log's.
type damage struct {
	err error
	at  events.Position // a good record here, or later, ends it
}

// stop notes why the tail ended.
func (f *Follower) stop(err error) {
	d := damage{at: f.Position() + 1}
	server := "" // that was read from
	var gap *journal.GapError
	var bad *journal.DamageError
	switch {
	case errors.Is(err, journal.ErrUnavailable):
		f.log.Warn("the log cannot be read", "position", f.Position(), "err", err)
		return
	case errors.As(err, &gap):
		d.at, server = gap.Want, gap.Server
	case errors.As(err, &bad):
		server = bad.Server
	}
	d.err = fmt.Errorf("%w at position %d: %w", ErrDamaged, d.at, err)
	former := f.damage.Swap(&d)
	if former == nil || former.err.Error() != d.err.Error() {
		f.log.Error("the log does not continue; this replica stops answering",
			"position", d.at, "server", server, "applied", f.Position(), "final", final(err), "err", d.err)
	}
}

// recovered ends a damage that a good record disproves.
func (f *Follower) recovered(at events.Position) {
	if d := f.damage.Load(); d != nil && at >= d.at && f.damage.CompareAndSwap(d, nil) {
		f.log.Info("the log is whole again", "position", at)
	}
}
