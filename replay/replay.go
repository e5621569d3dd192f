// Package replay owns reading history without writing it: the state at any
// position or time, and the proof that a log is whole. It reads the log itself
// and never trusts a snapshot.
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

// Log is a log to read; *journal.Journal is one.
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
	// Time ends the log before the first event that is later. Zero: no end.
	Time time.Time
}

// ErrBeyond is a position that the log has not reached.
var ErrBeyond = errors.New("the log ends before that position")

// Progress is told how far a replay is; last is where it will end.
type Progress func(at, last events.Position)

// At folds the log up to a moment. progress may be nil.
func At(ctx context.Context, log Log, m Moment, progress Progress) (*projections.State, error) {
	last, err := log.Last(ctx)
	if err != nil {
		return nil, err
	}
	if m.Position > last {
		return nil, fmt.Errorf("position %d: %w (it has %d)", m.Position, ErrBeyond, last)
	}
	if m.Position != 0 {
		last = m.Position
	}
	state := projections.New()
	err = log.Read(ctx, journal.Cursor{}, last, func(r *journal.Record) error {
		if progress != nil {
			progress(r.Position, last)
		}
		_, err := fold(state, r, m.Time)
		return err
	})
	if err != nil && !errors.Is(err, errReached) {
		return nil, err
	}
	return state, nil
}

// errReached ends a read at the moment that was asked for.
var errReached = errors.New("reached")

// fold applies a record's events that are not later than until, and says how
// many these were.
func fold(s *projections.State, r *journal.Record, until time.Time) (n int, err error) {
	for e, err := range r.Events() {
		if err != nil {
			return n, fmt.Errorf("position %d: %w", r.Position, err)
		}
		if !until.IsZero() && e.Time.After(until) {
			return n, errReached
		}
		if err := s.Apply(projections.Record{Position: r.Position, Subject: r.Subject}, n, e); err != nil {
			return n, fmt.Errorf("position %d: %w", r.Position, err)
		}
		n++
	}
	s.Position, s.Chain = r.Position, r.Chain
	return n, nil
}
