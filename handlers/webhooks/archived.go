package webhooks

import (
	"context"
	"errors"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/sse"
	"github.com/grantlog/grantlog/projections"
)

// errArchived ends a webhook: what it would go on from is not in the log.
var errArchived = &failure{text: "What was not acknowledged yet was archived; resume with after, and ask anew about what is known", refused: true}

// endings finds what to push next. A place before the beginning of the log is as
// good as the beginning, if nothing ended in between.
func (s *session) endings(to events.Position) ([]projections.Ending, <-chan struct{}, error) {
	found, more, err := s.e.Endings(s.ctx, s.place, to, s.webhook.Organization, batch)
	var archived *journal.ArchivedError
	if !errors.As(err, &archived) {
		return found, more, err
	}
	reached := *s.webhook
	reached.Position, reached.Amid = s.place.Position, s.place.Ordinal+1
	at, err := s.e.missesNothing(s.ctx, &reached)
	if err != nil {
		return nil, nil, err
	}
	s.place = sse.Place{Position: at, Ordinal: sse.Whole}
	return s.e.Endings(s.ctx, s.place, max(to, at), s.webhook.Organization, batch)
}

// missesNothing returns where the log begins, if everything was acknowledged
// that ended before; otherwise the error is a *journal.ArchivedError.
func (e *Endpoint) missesNothing(ctx context.Context, w *projections.Webhook) (events.Position, error) {
	begins, err := e.Begins(ctx)
	if err == nil && begins.Webhooks.Lag(w) > 0 {
		err = &journal.ArchivedError{First: begins.Position}
	}
	if err != nil {
		return 0, err
	}
	return begins.Position, nil
}

// mayGoOn makes sure that a webhook can be resumed from where it stopped.
func (e *Endpoint) mayGoOn(ctx context.Context, organization, id string) error {
	var w *projections.Webhook
	var err error
	e.Emit.View(func(s *projections.State) { w, err = find(s, organization, id) })
	if err != nil || w.Reached()+1 >= e.First() {
		return err
	}
	_, err = e.missesNothing(ctx, w)
	return err
}
