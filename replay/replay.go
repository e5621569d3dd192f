// Package replay owns reading history without writing it: the state at any
// position or time, what happened between two moments, what a token came from
// and what a secret led to, and the proof that a log is whole.
//
// The log alone decides. Every reading checks contiguity, the integrity of each
// record and what writers say they had seen; a snapshot is only ever a place to
// start from. Nothing here has a clock: the same log and the same question give
// the same answer, on any machine.
//
// A record counts whole or not at all, as replicas show it. A time stands for
// the longest beginning of the log in which no event is later: the log's own
// clock is the greatest event time so far, so a later time never shows less.
package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// Log is a log to read; *journal.Journal is one. It begins with position 1, or
// with an Origin; see From.
type Log interface {
	// Last returns the last position.
	Last(ctx context.Context) (events.Position, error)
	// Read calls fn with every record after from, up to and including to, and
	// fails on the first that is missing or altered.
	Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error
}

// Moment says how much of the log counts. The zero Moment is all of it.
type Moment struct {
	// Position is the last record that counts; 0: the last there is.
	Position events.Position
	// Time ends the log before the first record with a later event. Zero: no
	// end.
	Time time.Time
}

// Clock is the time by which what expires is judged at the moment that a state
// stands for: the moment's own, or else the log's.
func (m Moment) Clock(s *projections.State) time.Time {
	if m.Time.After(s.Time) {
		return m.Time
	}
	return s.Time
}

// ErrBeyond is a position that the log has not reached.
var ErrBeyond = errors.New("the log has not reached that position")

// Progress is told how far a reading is; last is where it will end, unless a
// time ends it before.
type Progress func(at, last events.Position)

// Past is a state of the past.
type Past struct {
	State *projections.State
	// Until is the log's time after the next record: from then on the state
	// was another one. Zero: the reading did not look at a next record.
	Until time.Time
}

// Holds reports whether the state is that of a time, given the last position
// of the log.
func (p Past) Holds(t time.Time, last events.Position) bool {
	if t.Before(p.State.Time) {
		return false
	}
	return t.Before(p.Until) || p.State.Position == last
}

// At folds the log from the state that from shows up to a moment, which must
// not be before it. from is changed and becomes the result. progress may be
// nil.
func At(ctx context.Context, log Log, from *projections.State, m Moment, progress Progress) (Past, error) {
	until, err := read(ctx, log, journal.Cursor{Position: from.Position, Chain: from.Chain}, m, progress, func(r *Record) error {
		return r.fold(from)
	})
	return Past{from, until}, err
}

// errReached ends a reading at the time that was asked for.
var errReached = errors.New("reached")

// read gives fn the records after a cursor up to a moment. until is the log's
// time after the first record that is later than the moment, if there is one.
func read(ctx context.Context, log Log, from journal.Cursor, m Moment, progress Progress, fn func(*Record) error) (until time.Time, err error) {
	last, err := log.Last(ctx)
	if err != nil {
		return until, err
	}
	if err := Reaches(ctx, log, m); err != nil {
		return until, err
	}
	if m.Position > last {
		return until, fmt.Errorf("position %d: %w, it ends at %d", m.Position, ErrBeyond, last)
	}
	if m.Position != 0 {
		last = m.Position
	}
	var record Record
	err = log.Read(ctx, from, last, func(r *journal.Record) error {
		if progress != nil {
			progress(r.Position, last)
		}
		if err := record.read(r); err != nil {
			return err
		}
		if latest := record.latest(); !m.Time.IsZero() && latest.After(m.Time) {
			until = latest
			return errReached
		}
		return fn(&record)
	})
	if errors.Is(err, errReached) {
		err = nil
	}
	return until, err
}
