package replay

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// Part is a part of a log, such as an archive.
type Part struct {
	Log
	Name string // to people
	// End stands after its last record, if that is known and no more come.
	End journal.Cursor
}

// A PartsError says that two parts are not of one log, or not next to each
// other.
type PartsError struct {
	One, Other string // names
	Reason     string
}

func (e *PartsError) Error() string { return fmt.Sprintf("%s and %s: %s", e.One, e.Other, e.Reason) }

// Join makes one log of its parts, in whichever order they are given. Each must
// continue the one before: begin with what that came to, or with what it was on
// the way.
func Join(ctx context.Context, parts ...Part) (Log, error) {
	j := joined{parts: slices.SortedStableFunc(slices.Values(parts), func(a, b Part) int {
		return cmp.Compare(Start(a.Log).Position, Start(b.Log).Position)
	})}
	for i := 1; i < len(j.parts); i++ {
		a, b := j.parts[i-1], j.parts[i]
		last, err := a.Last(ctx)
		if err != nil {
			return nil, err
		}
		refuse := func(format string, args ...any) (Log, error) {
			return nil, &PartsError{a.Name, b.Name, fmt.Sprintf(format, args...)}
		}
		switch at := Start(b.Log); {
		case at.Position == Start(a.Log).Position:
			return refuse("both begin at position %d; give one of them", max(1, at.Position))
		case last < at.Position:
			return refuse("the one ends at position %d, and the other begins at %d; what is between is missing", last, at.Position)
		case a.End.Position == at.Position && at.Chain != (events.Chain{}) && a.End.Chain != at.Chain:
			return refuse(notContinued, at.Position)
		}
	}
	return j, nil
}

const notContinued = "they are not of one log: at position %d they have another history"

// joined is a Log. It begins with what its first part begins with.
type joined struct{ parts []Part }

func (j joined) Origin() Origin { return OriginOf(j.parts[0].Log) }

// Last is that of the last part.
func (j joined) Last(ctx context.Context) (events.Position, error) {
	return j.parts[len(j.parts)-1].Last(ctx)
}

// Read reads part after part. Where one begins, its first record is read once
// more: it must be the one that the part before has there.
func (j joined) Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error {
	anchored := from.Position == 0 || from.Chain != (events.Chain{})
	for i, part := range j.parts {
		end := to
		if i+1 < len(j.parts) {
			end = min(to, Start(j.parts[i+1].Log).Position)
		}
		if from.Position >= end {
			continue
		}
		crossed, start := from, from
		if i > 0 && from.Position == Start(part.Log).Position {
			if before := Before(part.Log); before.Chain != (events.Chain{}) {
				start, anchored = before, true
			}
		}
		if err := part.Read(ctx, start, end, func(r *journal.Record) error {
			if r.Position == crossed.Position {
				if crossed.Chain != (events.Chain{}) && r.Chain != crossed.Chain {
					return &PartsError{j.parts[i-1].Name, part.Name, fmt.Sprintf(notContinued, r.Position)}
				}
				return nil
			}
			if from = r.Cursor(); !anchored {
				from.Chain = events.Chain{}
			}
			return fn(r)
		}); err != nil {
			return err
		}
	}
	return nil
}
