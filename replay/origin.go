package replay

import (
	"context"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
)

// Origin is what a log begins with whose beginning was archived: what the
// archived records came to. The log holds the last of them once more.
type Origin interface {
	// Cursor stands after the last archived record, Previous is the chain before
	// it. Chains that are not known are zero.
	Cursor() journal.Cursor
	Previous() events.Chain
	// State returns the state there, which is the caller's, and Time the log's
	// own clock.
	State(ctx context.Context) (*projections.State, error)
	Time(ctx context.Context) (time.Time, error)
	// Edge returns that of the tree over the archived records, and Head what the
	// tree over the first of them was.
	Edge(ctx context.Context) (tree.Edge, error)
	Head(ctx context.Context, size int64) (tree.Head, error)
}

// From returns a log that begins with an origin; nil: with its first record.
func From(log Log, o Origin) Log {
	if o == nil {
		return log
	}
	return later{log, o}
}

type later struct {
	Log
	origin Origin
}

func (l later) Origin() Origin { return l.origin }

// OriginOf returns what a log begins with; nil: with its first record.
func OriginOf(log Log) Origin {
	if l, ok := log.(interface{ Origin() Origin }); ok {
		return l.Origin()
	}
	return nil
}

// Continued makes sure that a log begins with the record that its origin ends
// with: otherwise the error is a *journal.DamageError.
func Continued(ctx context.Context, log Log) error {
	o := OriginOf(log)
	if o == nil {
		return nil
	}
	return log.Read(ctx, Before(log), o.Cursor().Position, func(r *journal.Record) error { return continues(o.Cursor(), r) })
}

// continues compares a record with the one that an origin ends with, if that is
// known.
func continues(origin journal.Cursor, r *journal.Record) error {
	if r.Position == origin.Position && origin.Chain != (events.Chain{}) && r.Chain != origin.Chain {
		return &journal.DamageError{Position: r.Position, Reason: reasonOrigin}
	}
	return nil
}

// Begin returns the state that a log begins with.
func Begin(ctx context.Context, log Log) (*projections.State, error) {
	if o := OriginOf(log); o != nil {
		return o.State(ctx)
	}
	return projections.New(), nil
}

// Before stands before the first record that a log has, which is one that its
// origin has seen.
func Before(log Log) journal.Cursor {
	o := OriginOf(log)
	if o == nil {
		return journal.Cursor{}
	}
	return journal.Cursor{Position: o.Cursor().Position - 1, Chain: o.Previous()}
}

// Start is where the folding of a log begins.
func Start(log Log) journal.Cursor {
	if o := OriginOf(log); o != nil {
		return o.Cursor()
	}
	return journal.Cursor{}
}

// Reaches makes sure that a moment is not before the beginning of a log:
// otherwise the error is a *journal.ArchivedError.
func Reaches(ctx context.Context, log Log, m Moment) error {
	o := OriginOf(log)
	if o == nil || m == (Moment{}) {
		return nil
	}
	archived := &journal.ArchivedError{First: o.Cursor().Position}
	if m.Position != 0 && m.Position < archived.First {
		return archived
	}
	if m.Time.IsZero() {
		return nil
	}
	began, err := o.Time(ctx)
	if err == nil && m.Time.Before(began) {
		err = archived
	}
	return err
}
