package follow

import (
	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// batch holds the events of a record, so that all of it is read before any of
// it is applied. Its memory is used again for the next record; the strings are
// the record's.
type batch struct {
	events []events.Event
	tokens []events.TokenIssued
}

func (b *batch) read(r *journal.Record) error {
	b.events, b.tokens = b.events[:0], b.tokens[:0]
	for e, err := range r.Events() {
		if err != nil {
			return err
		}
		b.events = append(b.events, *e)
		// The decoder writes the next token where it wrote this one.
		if d, ok := e.Data.(*events.TokenIssued); ok {
			b.tokens = append(b.tokens, *d)
		}
	}
	tokens := b.tokens
	for i := range b.events {
		if e := &b.events[i]; e.Type == tokenIssued {
			e.Data, tokens = &tokens[0], tokens[1:]
		}
	}
	return nil
}

var tokenIssued = (*events.TokenIssued)(nil).EventType()

// fold applies the events to a state. An error leaves it half done.
func (b *batch) fold(s *projections.State, r *journal.Record) error {
	s.Expect(b.tokens)
	at := projections.Record{Position: r.Position, Subject: r.Subject}
	for i := range b.events {
		if err := s.Apply(at, i, &b.events[i]); err != nil {
			return err
		}
	}
	s.Position, s.Chain = r.Position, r.Chain
	return nil
}
