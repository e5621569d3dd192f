package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// Record is a record of the log with its events, or as much of it as somebody
// may see. What it holds is valid until the function it was given to returns.
type Record struct {
	Position events.Position
	Subject  string
	Events   []events.Event

	chain  events.Chain
	header events.PageHeader
	tokens []events.TokenIssued
}

// read takes in all events of a record before any of them counts. Memory is
// used again for the next one.
func (r *Record) read(from *journal.Record) error {
	r.Position, r.Subject, r.chain, r.header = from.Position, from.Subject, from.Chain, from.Header
	r.Events, r.tokens = r.Events[:0], r.tokens[:0]
	for e, err := range from.Events() {
		if err != nil {
			return fmt.Errorf("position %d: %w", from.Position, err)
		}
		r.Events = append(r.Events, *e)
		// The decoder writes the next token where it wrote this one.
		if d, ok := e.Data.(*events.TokenIssued); ok {
			r.tokens = append(r.tokens, *d)
		}
	}
	tokens := r.tokens
	for i := range r.Events {
		if _, ok := r.Events[i].Data.(*events.TokenIssued); ok {
			r.Events[i].Data, tokens = &tokens[0], tokens[1:]
		}
	}
	return nil
}

// latest is the greatest time of the events.
func (r *Record) latest() (latest time.Time) {
	for i := range r.Events {
		if t := r.Events[i].Time; t.After(latest) {
			latest = t
		}
	}
	return latest
}

// fold applies the record to a state.
func (r *Record) fold(s *projections.State) error {
	s.Expect(r.tokens)
	for i := range r.Events {
		if err := r.apply(s, i); err != nil {
			return err
		}
	}
	r.done(s)
	return nil
}

// apply applies one event. After the last one, done says that the state shows
// the record.
func (r *Record) apply(s *projections.State, i int) error {
	err := s.Apply(projections.Record{Position: r.Position, Subject: r.Subject}, i, &r.Events[i])
	if err != nil {
		return fmt.Errorf("position %d: %w", r.Position, err)
	}
	return nil
}

func (r *Record) done(s *projections.State) { s.Position, s.Chain = r.Position, r.chain }

// History is what a log tells, or as much of it as somebody may see.
type History struct {
	// Begin returns the state before the first record, which is the caller's;
	// nil: nothing stands before it.
	Begin func(ctx context.Context) (*projections.State, error)
	// Each gives records in log order until fn fails.
	Each func(ctx context.Context, fn func(*Record) error) error
}

// HistoryOf is a log's history up to a moment.
func HistoryOf(log Log, m Moment, progress Progress) History {
	h := History{Each: func(ctx context.Context, fn func(*Record) error) error {
		_, err := read(ctx, log, Start(log), m, progress, fn)
		return err
	}}
	if OriginOf(log) != nil {
		h.Begin = func(ctx context.Context) (*projections.State, error) { return Begin(ctx, log) }
	}
	return h
}

// begin returns the state to fold the history into and, unless that is empty,
// where the history begins.
func (h History) begin(ctx context.Context) (*projections.State, *Bound, error) {
	if h.Begin == nil {
		return projections.New(), nil, nil
	}
	s, err := h.Begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	return s, &Bound{s.Position, s.Time}, nil
}
