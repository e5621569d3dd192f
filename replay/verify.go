package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// Report is what a verified log holds.
type Report struct {
	Position  events.Position // last record
	Events    int
	Bytes     int64 // of the messages
	Chain     events.Chain
	StateHash [32]byte
	From      time.Time // first and last event time
	Until     time.Time
}

// A MismatchError is a whole log that is not the one it should be: shortened
// at its end, or replaced.
type MismatchError struct {
	Position events.Position // where the log was known to be
	Reason   string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the log does not match what was kept outside of it for position %d: %s", e.Position, e.Reason)
}

// Verify reads a whole log: contiguity, the integrity of every record, what
// its writers had seen, the fold of every event, and that it contains known,
// a place that was kept outside of the log (the zero Cursor: nothing was). The
// report of a log that fails says how far it was good.
func Verify(ctx context.Context, log Log, known journal.Cursor, progress Progress) (Report, error) {
	var report Report
	last, err := log.Last(ctx)
	if err != nil {
		return report, err
	}
	state := projections.New()
	var record Record
	err = log.Read(ctx, journal.Cursor{}, last, func(r *journal.Record) error {
		if r.Position == known.Position && r.Chain != known.Chain {
			return &MismatchError{known.Position, "its records before were altered"}
		}
		if err := record.read(r); err != nil {
			return err
		}
		if err := record.fold(state); err != nil {
			return err
		}
		report.add(state, r, len(record.Events))
		if progress != nil {
			progress(r.Position, last)
		}
		return nil
	})
	if err == nil && last < known.Position {
		err = &MismatchError{known.Position, fmt.Sprintf("the log ends at %d", last)}
	}
	report.StateHash = state.Hash()
	return report, err
}

func (p *Report) add(s *projections.State, r *journal.Record, n int) {
	if p.From.IsZero() {
		p.From = s.Time
	}
	p.Position, p.Chain, p.Until = r.Position, r.Chain, s.Time
	p.Bytes += int64(r.Bytes)
	p.Events += n
}
