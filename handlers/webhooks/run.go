package webhooks

import (
	"context"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// pace is how often and for how long things are done.
type pace struct {
	look    time.Duration // between two looks for what is due, at most
	lease   time.Duration // how long a lease holds
	attempt time.Duration // of a push; well below lease
	skew    time.Duration // by which clocks of replicas may differ
	tell    time.Duration // between two tellings of what was acknowledged, at least
	linger  time.Duration // until a lease without anything to push is given back
	head    time.Duration // head start of the replica that had the lease last
	first   time.Duration // pause after the first failure, and twice as long after each further one
	longest time.Duration // pause
	rest    time.Duration // after an error of our own
	grace   time.Duration // for a push that is under way when the server stops
}

var usual = pace{
	look: time.Second, lease: 15 * time.Second, attempt: 10 * time.Second, skew: 2 * time.Second, tell: 3 * time.Second, linger: 2 * time.Second,
	head: 300 * time.Millisecond, first: time.Second, longest: 5 * time.Minute, rest: 5 * time.Second, grace: 2 * time.Second,
}

var (
	anyWebhook = events.WebhooksSubject("")
	anyEnding  = events.RevocationsSubject("")
)

// Applied is told of every record that became visible: there may be something
// to push, or a push to break off.
func (e *Endpoint) Applied(r *journal.Record) {
	if strings.HasPrefix(r.Subject, anyEnding) || strings.HasPrefix(r.Subject, anyWebhook) {
		e.look()
	}
}

// look makes Run look at once.
func (e *Endpoint) look() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Run pushes until ctx ends. It runs on every replica.
func (e *Endpoint) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-timer.C:
		case <-e.wake:
		case <-ctx.Done():
		}
		timer.Reset(e.round(ctx))
	}
	e.finish()
}

// finish lets pushes that are under way come to their end.
func (e *Endpoint) finish() {
	late := time.AfterFunc(e.pace.grace, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, s := range e.sessions {
			s.cancel()
		}
	})
	e.work.Wait()
	late.Stop()
	e.client.close()
}

// stopping reports whether no push may be begun.
func (e *Endpoint) stopping(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-e.Stopping:
		return true
	default:
		return false
	}
}

// round breaks off what is not this replica's to push any more, begins what is
// due, and says when to look again.
func (e *Endpoint) round(ctx context.Context) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	now, wait := e.Emit.Now(), e.pace.look
	var due []*projections.Webhook
	e.Emit.View(func(s *projections.State) {
		for _, session := range e.sessions {
			if session.leased.Load() && !session.holds(s) {
				session.cancel()
			}
		}
		if e.stopping(ctx) || e.Fresh() != nil {
			return
		}
		for w := range s.Webhooks.All {
			if w.Dead() || s.Webhooks.Lag(w) == 0 || e.sessions[w.ID] != nil {
				continue
			}
			if soon := w.Free().Sub(now); soon > 0 {
				wait = min(wait, soon)
				continue
			}
			due = append(due, w)
		}
	})
	for _, w := range due {
		e.begin(ctx, w)
	}
	return wait
}

// begin starts the session of a webhook. e.mu is held.
func (e *Endpoint) begin(ctx context.Context, w *projections.Webhook) {
	s := newSession(ctx, e, w)
	e.sessions[w.ID] = s
	e.work.Go(func() {
		s.run()
		s.cancel()
		e.mu.Lock()
		delete(e.sessions, w.ID)
		e.mu.Unlock()
		e.look()
	})
}
