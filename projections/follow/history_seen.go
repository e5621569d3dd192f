package follow

import (
	"context"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// seen is what replicas said, on the records after one, that they had applied.
type seen struct {
	From events.Position            `json:"from"`
	By   map[string]events.Position `json:"by"` // replica → the highest position
}

// note takes in a record.
func (s *seen) note(r *journal.Record) {
	replica := r.Header.Replica
	highest, known := s.By[replica]
	switch {
	case s.By == nil:
		s.From, s.By = r.Position-1, map[string]events.Position{}
		fallthrough
	case !known:
		replica = strings.Clone(replica) // it is the record's
	}
	s.By[replica] = max(highest, r.Header.Seen.Position)
}

// AppliedBy returns the highest position that a replica had applied, as far as
// its own records tell that stand behind begin and up to a position, or what is
// known to be as high; 0: they tell nothing.
//
// What a replica had applied stands before the record that says so. So there is
// no need to look further back than to what was found; and a state of the past
// tells what the records since the one before said.
func (h *History) AppliedBy(ctx context.Context, log Log, begin journal.Cursor, position events.Position, replica string, known events.Position) (applied events.Position, err error) {
	var base journal.Cursor
	for applied = known; position > max(applied, begin.Position); {
		said, below, err := h.before(ctx, log, begin, position, base)
		if err != nil {
			return 0, err
		}
		applied, position, base = max(applied, said.By[replica]), said.From, below
	}
	return applied, nil
}

// before tells what was said on the records up to a position and after an
// earlier one, and what the state stands on that told it. A state that is known
// as base of another one needs no proof of its own.
func (h *History) before(ctx context.Context, log Log, begin journal.Cursor, position events.Position, base journal.Cursor) (said seen, below journal.Cursor, err error) {
	candidates, _ := h.layered(position, time.Time{})
	if len(candidates) > 0 && candidates[0].position == position {
		told, err := h.standing(ctx, log, candidates[0], base)
		switch {
		case err == nil && told.seen.By != nil && told.seen.From >= begin.Position:
			return told.seen, journal.Cursor{Position: told.Base, Chain: told.BaseChain}, nil
		case err != nil && unable(ctx, err):
			return said, below, err
		}
		candidates = candidates[1:] // it does not tell
	}
	from := begin
	if _, err := h.first(ctx, candidates, func(c candidate) error {
		if c.position <= begin.Position {
			return nil
		}
		told, err := h.standing(ctx, log, c, journal.Cursor{})
		if err == nil {
			from = journal.Cursor{Position: told.Position, Chain: told.Chain}
		}
		return err
	}); err != nil {
		return said, below, err
	}
	err = log.Read(ctx, from, position, func(r *journal.Record) error {
		said.note(r)
		return nil
	})
	return said, below, err
}
