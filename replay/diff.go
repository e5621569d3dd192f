package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// Diff is what happened between two moments.
type Diff struct {
	From    Bound    `json:"from"`
	To      Bound    `json:"to"`
	Changes []Change `json:"changes"` // in log order
	Tokens  []Tally  `json:"tokens"`  // of every client that had or got tokens
}

// Bound is where an account of the past stands: the last record that counts, and
// the time by which tokens are judged.
type Bound struct {
	Position events.Position `json:"position"`
	Time     time.Time       `json:"time"`
}

// Change is one event that changed something.
type Change struct {
	Step
	Kind   string  `json:"kind"`   // created, changed, rotated, ended, deleted or, of an event that came too late, none
	About  string  `json:"about"`  // the kind of thing; see things
	Object string  `json:"object"` // its id
	Name   string  `json:"name,omitempty"`
	Fields []Field `json:"fields,omitempty"`
}

// Field is a setting before and after.
type Field struct {
	Name string `json:"name"`
	From any    `json:"from"`
	To   any    `json:"to"`
}

// UnmarshalJSON keeps the values as they are written, and with them the order
// of what they consist of.
func (f *Field) UnmarshalJSON(text []byte) error {
	var raw struct {
		Name     string
		From, To json.RawMessage
	}
	err := json.Unmarshal(text, &raw)
	*f = Field{raw.Name, raw.From, raw.To}
	return err
}

// ErrOrder is a Diff whose end is before its beginning.
var ErrOrder = errors.New("it ends before it begins")

// FindDiff compares two moments of a log. h may be nil; see Near.
func FindDiff(ctx context.Context, log Log, h *follow.History, from, to Moment, progress Progress) (*Diff, error) {
	past, err := Near(ctx, log, h, from, progress)
	if err != nil {
		return nil, err
	}
	s := past.State
	d := differ{state: s, count: newCounter(s, from.Clock(s))}
	diff := &Diff{From: Bound{s.Position, from.Clock(s)}, Changes: []Change{}}
	if to.Position != 0 && to.Position < s.Position || !to.Time.IsZero() && to.Time.Before(diff.From.Time) {
		return nil, ErrOrder
	}
	_, err = read(ctx, log, journal.Cursor{Position: s.Position, Chain: s.Chain}, to, progress, func(r *Record) error {
		for i := range r.Events {
			if err := d.apply(r, i); err != nil {
				return err
			}
		}
		r.done(s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	diff.To = Bound{s.Position, latest(to.Clock(s), diff.From.Time)}
	diff.Changes = append(diff.Changes, d.changes...)
	diff.Tokens = d.count.close(diff.To.Time)
	return diff, nil
}

type differ struct {
	state   *projections.State
	changes []Change
	count   *counter
}

// apply folds one event in, and looks at what it is about before and after.
func (d *differ) apply(r *Record, i int) error {
	e := &r.Events[i]
	about, id := aboutOf(e)
	before := find(d.state, about, e, id)
	live := d.count.before(r, i)
	if err := r.apply(d.state, i); err != nil {
		return err
	}
	d.count.after(r, i, live)
	if about == "" {
		return nil
	}
	after := find(d.state, about, e, id)
	change := Change{
		Step: stepOf(r.Position, e), Kind: kindOf(e, before, after),
		About: about, Object: id, Name: cmp.Or(nameOf(after), nameOf(before)),
	}
	switch change.Kind {
	case kindChanged, kindEnded:
		change.Fields = compare(before, after)
	case kindRotated:
		change.Fields = rotation(e, before, after)
	}
	d.changes = append(d.changes, change)
	return nil
}

// Kinds of changes.
const (
	kindCreated = "created"
	kindChanged = "changed"
	kindRotated = "rotated"
	kindEnded   = "ended" // its tokens ended, not the thing itself
	kindDeleted = "deleted"
	kindNone    = "none"
)

func kindOf(e *events.Event, before, after any) string {
	_, ends := projections.EndingOf(0, 0, e)
	switch e.Data.(type) {
	case *events.SecretRotated, *events.UserPasswordChanged:
		ends = false
		if after != nil && before != after {
			return kindRotated
		}
	}
	switch {
	case before == nil && after == nil, before == after:
		return kindNone
	case before == nil:
		return kindCreated
	case after == nil:
		return kindDeleted
	case ends:
		return kindEnded
	}
	return kindChanged
}
