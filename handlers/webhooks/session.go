package webhooks

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/sse"
	"github.com/grantlog/grantlog/projections"
)

const (
	batch = 64   // endings taken at a time
	scan  = 4096 // records of the log read at a time, in search of endings long ago
)

var (
	// errLost: the lease is not this session's any more, or is not to be proved.
	errLost = errors.New("webhooks: the lease is lost")
	// errStopping: the server stops.
	errStopping = errors.New("webhooks: the server stops")
)

// session is one replica's turn at a webhook: from the lease, over what there
// is to push, until there is no more or something goes wrong. It is its
// goroutine's, but for leased and cancel.
type session struct {
	e      *Endpoint
	id     string          // of the webhook
	life   context.Context // of the server
	ctx    context.Context // of the session: ends when a push must be broken off
	cancel context.CancelFunc
	lease  string
	leased atomic.Bool // the state has shown the lease

	webhook       *projections.Webhook // as it was leased
	authorization string
	until         time.Time // of the lease
	place         sse.Place // everything up to it is acknowledged
	acknowledged  int       // since the log was told
	told          time.Time // when it was
}

func newSession(life context.Context, e *Endpoint, w *projections.Webhook) *session {
	s := &session{e: e, id: w.ID, life: life, webhook: w, lease: events.NewID("l_")}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(life))
	return s
}

// holds reports whether a state shows the lease.
func (s *session) holds(state *projections.State) bool {
	w, ok := state.Webhooks.Get(s.id)
	return ok && w.Lease == s.lease
}

func (s *session) run() {
	if err := s.take(); err != nil {
		if !errors.Is(err, command.ErrNotHolder) && s.ctx.Err() == nil {
			s.complain(err)
		}
		return
	}
	err := s.deliver()
	var archived *journal.ArchivedError
	if errors.As(err, &archived) {
		err = errArchived
	}
	var failed *failure
	switch {
	case errors.As(err, &failed):
		s.fail(failed)
	case err == nil || errors.Is(err, errStopping):
		s.giveBack()
	case !errors.Is(err, errLost):
		s.giveBack()
		s.complain(err)
	}
}

// complain logs an error of our own, and keeps the webhook from being tried
// again at once.
func (s *session) complain(err error) {
	s.e.Log.Warn("a webhook could not be served; trying again", "webhook", s.id, "organization", s.webhook.Organization, "error", err)
	s.wait(context.WithoutCancel(s.ctx), s.e.pace.rest, nil)
}

// wait returns after a time, or when there is more or no reason to go on.
func (s *session) wait(ctx context.Context, atMost time.Duration, more <-chan struct{}) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-more:
	case <-timer.C:
	case <-ctx.Done():
	case <-s.life.Done():
	case <-s.e.Stopping:
	}
}

// take gets the lease. The replica that had it last goes first: it knows the
// receiver, and others would only lose a race with it.
func (s *session) take() error {
	switch head := s.e.pace.head; s.webhook.Holder {
	case s.e.Replica:
	case "":
		s.wait(s.ctx, rand.N(head/10), nil)
	default:
		s.wait(s.ctx, head+rand.N(head), nil)
	}
	if s.e.stopping(s.life) {
		return command.ErrNotHolder
	}
	if err := s.do(s.ctx, func(state *projections.State, now time.Time) (command.Decision, error) {
		return command.LeaseWebhook(state, now, s.id, s.lease, s.e.pace.lease)
	}); err != nil {
		return err
	}
	s.leased.Store(true)
	w := s.webhook
	s.e.Log.Debug("this replica pushes to a webhook", "webhook", s.id, "organization", w.Organization, "after", w.Reached())
	s.place = sse.Place{Position: w.Position, Ordinal: w.Amid - 1} // none is sse.Whole
	if len(w.Authorization) == 0 {
		return nil
	}
	plain, err := s.e.Sealers.Unseal(record(w.Organization, w.ID), w.Authorization)
	s.authorization = string(plain)
	return err
}

// do records a decision and takes over what the log made of the webhook.
func (s *session) do(ctx context.Context, decide emit.Decide) error {
	if _, err := s.e.Emit.Do(ctx, emit.Meta{Correlation: events.NewID("webhook_")}, decide); err != nil {
		return err
	}
	s.e.Emit.View(func(state *projections.State) {
		if w, ok := state.Webhooks.Get(s.id); ok && w.Lease == s.lease {
			s.webhook, s.until = w, w.LeasedUntil
		}
	})
	s.acknowledged, s.told = 0, s.e.Emit.Now()
	return nil
}

func (s *session) progress() events.WebhookProgress {
	return events.WebhookProgress{Position: s.place.Position, Amid: s.place.Ordinal + 1, Acknowledged: s.acknowledged}
}

// ready makes sure that a push may be begun: the lease is this session's for
// longer than the push can take.
func (s *session) ready() error {
	if s.e.stopping(s.life) {
		return errStopping
	}
	held := false
	s.e.Emit.View(func(state *projections.State) { held = s.holds(state) })
	if !held || s.e.Fresh() != nil {
		return errLost
	}
	now := s.e.Emit.Now()
	tell := s.acknowledged > 0 && (s.webhook.Failing() || now.Sub(s.told) >= s.e.pace.tell)
	if left := s.until.Sub(now); !tell && left > s.e.pace.attempt+s.e.pace.skew {
		return nil
	}
	return s.advance(s.ctx, s.e.pace.lease)
}

// advance tells what was acknowledged, and how long the lease is wanted.
func (s *session) advance(ctx context.Context, hold time.Duration) error {
	progress := s.progress()
	err := s.do(ctx, func(state *projections.State, now time.Time) (command.Decision, error) {
		return command.AdvanceWebhook(state, now, s.id, s.lease, progress, hold)
	})
	if errors.Is(err, command.ErrNotHolder) {
		return errLost
	}
	return err
}

// giveBack ends the lease, so that others need not wait for its end. If it
// fails they do.
func (s *session) giveBack() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), s.e.pace.grace)
	defer cancel()
	if err := s.advance(ctx, 0); err != nil && !errors.Is(err, errLost) {
		s.e.Log.Info("the lease of a webhook was not given back", "webhook", s.id, "error", err)
	}
}
