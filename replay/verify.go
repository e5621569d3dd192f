package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
)

// Report is what a verified log holds.
type Report struct {
	// First is the first record, where the beginning of the log was archived.
	// Events, Bytes and From are of what is behind it.
	First     events.Position
	Position  events.Position // last record
	Events    int
	Bytes     int64        // of the messages
	Chain     events.Chain // zero: it is not known
	Head      tree.Head    // the Merkle tree over the records
	StateHash [32]byte
	// Archives are those that the log tells of.
	Archives []*projections.Archive
	From     time.Time // first and last event time
	Until    time.Time
}

// Options say what Verify does beyond reading every record.
type Options struct {
	Kept Kept
	// Records says that events are neither decoded nor folded, which is most
	// of the work: the report has no events, times and state hash then.
	Records  bool
	Progress Progress
}

// Kept is what was kept outside of a log: it must contain all of it. The zero
// Kept is nothing.
type Kept struct {
	Place journal.Cursor // which a replica had applied
	Heads []tree.Head    // of checkpoints
}

// A MismatchError is a whole log that is not the one it should be: shortened
// at its end, or replaced.
type MismatchError struct {
	Position events.Position // where the log was known to be
	Good     events.Position // up to here it is known to be the same; 0: nothing is known
	Reason   string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the log does not match what was kept outside of it for position %d: %s", e.Position, e.Reason)
}

// What a MismatchError can say of records that are there.
const (
	reasonPlace = "its records before were altered"
	reasonRoot  = "its root is another one"

	// reasonOrigin is what a DamageError can say.
	reasonOrigin = "it is not the record that the archived log ends with"
)

// Verify reads a whole log: contiguity, the integrity of every record, what
// its writers had seen, the fold of every event, and that it contains what was
// kept. The report of a log that fails says how far it was good.
func Verify(ctx context.Context, log Log, o Options) (Report, error) {
	last, err := log.Last(ctx)
	if err != nil {
		return Report{}, err
	}
	v := verification{Options: o, log: log, last: last}
	v.heads = slices.SortedFunc(slices.Values(o.Kept.Heads), func(a, b tree.Head) int { return cmp.Compare(a.Size, b.Size) })
	if err := v.begin(ctx); err != nil {
		return v.report, err
	}
	if err := v.run(ctx); err != nil {
		return v.report, err
	}
	if known := o.Kept.end(); last < known {
		return v.report, &MismatchError{Position: known, Good: last, Reason: fmt.Sprintf("the log ends at %d", last)}
	}
	if v.from.Position > 0 && v.from.Chain == (events.Chain{}) {
		v.report.Chain = events.Chain{} // nobody knows how it began
	}
	v.report.Head, err = v.edge.Head()
	if !o.Records {
		v.report.StateHash, v.report.Archives = v.state.Hash(), v.state.Archives.All()
	}
	return v.report, err
}

// end is the last position that was kept.
func (k Kept) end() events.Position {
	last := k.Place.Position
	for _, head := range k.Heads {
		last = max(last, events.Position(head.Size))
	}
	return last
}

// verification is one call of Verify. Records pass three stages: they are read
// and authenticated, then hashed, then decoded and folded.
type verification struct {
	Options
	log    Log
	last   events.Position
	from   journal.Cursor // where reading begins
	origin journal.Cursor // what the log begins with; zero: its first record

	edge  tree.Edge       // the second stage's
	heads []tree.Head     // kept ones that are still to come
	same  events.Position // the tree agreed with a kept head here

	record Record // the third stage's
	state  *projections.State
	report Report
}

// begin sets out from what the log begins with, and compares what was kept of
// what is before.
func (v *verification) begin(ctx context.Context) (err error) {
	o := OriginOf(v.log)
	if o == nil {
		v.state = projections.New()
		return nil
	}
	v.origin = o.Cursor()
	v.from = Before(v.log)
	v.report.First = v.origin.Position
	if v.edge, err = o.Edge(ctx); err != nil {
		return err
	}
	if !v.Records {
		if v.state, err = o.State(ctx); err != nil {
			return err
		}
	}
	for len(v.heads) > 0 && v.heads[0].Size <= v.edge.Size() {
		head, err := o.Head(ctx, v.heads[0].Size)
		if err != nil {
			return err
		}
		if err := v.meet(head); err != nil {
			return err
		}
	}
	return nil
}

// read looks at a record as the first stage.
func (v *verification) read(r *journal.Record) error {
	if err := continues(v.origin, r); err != nil {
		return err
	}
	if r.Position == v.Kept.Place.Position && r.Chain != v.Kept.Place.Chain {
		return &MismatchError{Position: r.Position, Reason: reasonPlace}
	}
	if v.Progress != nil {
		v.Progress(r.Position, v.last)
	}
	return nil
}

// hash is the second stage.
func (v *verification) hash(r *journal.Record) error {
	if r.Position <= v.origin.Position {
		return nil
	}
	if err := v.edge.Append(tree.Leaf(r.Subject, r.Payload)); err != nil {
		return err
	}
	for len(v.heads) > 0 && v.heads[0].Size == v.edge.Size() {
		if head, err := v.edge.Head(); err != nil {
			return err
		} else if err := v.meet(head); err != nil {
			return err
		}
	}
	return nil
}

// meet compares a head with the next kept one, which is of that size.
func (v *verification) meet(head tree.Head) error {
	at := events.Position(head.Size)
	if head != v.heads[0] {
		return &MismatchError{Position: at, Good: v.same, Reason: reasonRoot}
	}
	v.heads, v.same = v.heads[1:], at
	return nil
}

// fold is the third stage.
func (v *verification) fold(r *journal.Record) error {
	p := &v.report
	if r.Position <= v.origin.Position {
		p.Position, p.Chain = r.Position, r.Chain
		return nil
	}
	if !v.Records {
		if err := v.record.read(r); err != nil {
			return err
		}
		if err := v.record.fold(v.state); err != nil {
			return err
		}
		if p.From.IsZero() {
			p.From = v.state.Time
		}
		p.Until = v.state.Time
		p.Events += len(v.record.Events)
	}
	p.Position, p.Chain = r.Position, r.Chain
	p.Bytes += int64(r.Bytes)
	return nil
}

// FirstAltered returns the first position of a log whose record is not the one
// that a kept tree has a leaf of, up to a head that the tree is known to have;
// the position behind the log's end, if the log ends before; 0: there is none.
func FirstAltered(ctx context.Context, log Log, kept *tree.Tree, head tree.Head) (events.Position, error) {
	last, err := log.Last(ctx)
	if err != nil {
		return 0, err
	}
	var first, altered events.Position
	var leaves []tree.Hash
	err = log.Read(ctx, Start(log), min(last, events.Position(head.Size)), func(r *journal.Record) error {
		if r.Position >= first+events.Position(len(leaves)) {
			first = r.Position
			if leaves, err = kept.Leaves(head, first); err != nil {
				return err
			}
		}
		if tree.Leaf(r.Subject, r.Payload) != leaves[r.Position-first] {
			altered = r.Position
			return errReached
		}
		return nil
	})
	switch {
	case errors.Is(err, errReached):
		return altered, nil
	case err == nil && last < events.Position(head.Size):
		return last + 1, nil
	}
	return 0, err
}
