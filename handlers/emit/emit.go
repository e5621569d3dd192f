// Package emit owns the way of a command into the log: decide on the current
// state, append, wait until this replica's own state shows it. A caller that
// gets a position back may answer its client: the events are durable, and
// reads here reflect them.
package emit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// attempts bounds how often a decision is made anew after losing a
// compare-and-swap.
const attempts = 3

// ErrContended is a compare-and-swap lost on every attempt.
var ErrContended = &command.Error{Kind: command.KindConflict, Message: "The resource is being changed by others; read it again and retry"}

// Meta is what the server knows of a request that causes events.
type Meta struct {
	Actor       events.Actor
	Correlation string // the request's id
	Causation   string // the causing event's id, if one did
	Event       string // the id of the decision's first event; empty: any
	// Request makes the decision count once; nil without an Idempotency-Key.
	// Do then also returns the refusals of command.Once.
	Request *events.RequestKeyed
}

// Causing returns what a decision is recorded with, and what those that follow
// from its first event are.
func (m Meta) Causing() (cause, effect Meta) {
	cause, effect = m, m
	cause.Event = events.NewID("e_")
	effect.Causation = cause.Event
	return cause, effect
}

// Decide makes a decision on a state that must not be kept. It may run more
// than once and must not have effects.
type Decide func(s *projections.State, now time.Time) (command.Decision, error)

// Emitter appends decisions. It is safe for concurrent use.
type Emitter struct {
	journal  *journal.Journal
	follower *follow.Follower
	now      func() time.Time
}

// New returns an Emitter; now is the clock that stamps events, and the
// follower's.
func New(j *journal.Journal, f *follow.Follower, now func() time.Time) *Emitter {
	return &Emitter{journal: j, follower: f, now: now}
}

// Now is the clock that decisions are made by.
func (e *Emitter) Now() time.Time { return e.now() }

// View reads the replica's state; see follow.Follower.View.
func (e *Emitter) View(read func(*projections.State)) { e.follower.View(read) }

// Do decides, appends and waits until the events are applied here. Errors are
// those of decide, ErrContended, and the journal's ErrUnavailable and
// ErrUncertain; after any of the last two nothing may be handed out.
func (e *Emitter) Do(ctx context.Context, meta Meta, decide Decide) (events.Position, error) {
	for range attempts {
		position, err := e.attempt(ctx, meta, decide)
		if !errors.Is(err, journal.ErrConflict) {
			return position, err
		}
		if err := e.CatchUp(ctx); err != nil {
			return 0, err
		}
	}
	return 0, ErrContended
}

func (e *Emitter) attempt(ctx context.Context, meta Meta, decide Decide) (events.Position, error) {
	started := e.now()
	var decision command.Decision
	var err error
	e.follower.View(func(s *projections.State) {
		decision, err = command.Once(s, started, meta.Request, func() (command.Decision, error) { return decide(s, started) })
	})
	if err != nil {
		return 0, err
	}
	position, err := e.append(ctx, decision, envelopes(decision, meta, started))
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", decision.Subject, err)
	}
	_, end := traced(ctx, "apply")
	err = e.follower.WaitFor(ctx, position)
	if end(position, err); err != nil {
		return 0, fmt.Errorf("wait for own record %d: %w", position, err)
	}
	e.follower.ProveWrite(position, started)
	return position, nil
}

func (e *Emitter) append(ctx context.Context, d command.Decision, evs []*events.Event) (position events.Position, err error) {
	ctx, end := traced(ctx, "append")
	if d.Guard == nil {
		position, err = e.journal.Append(ctx, d.Subject, evs...)
	} else {
		position, err = e.journal.AppendIf(ctx, d.Subject, *d.Guard, evs...)
	}
	end(position, err)
	return position, err
}

// CatchUp waits until the state shows what the log's leader says that it holds,
// such as the winner of a lost compare-and-swap. A leader that was cut off may
// not know all of it, so it is enough only for what the log judges afterwards.
func (e *Emitter) CatchUp(ctx context.Context) error {
	last, err := e.journal.Last(ctx)
	if err != nil {
		return err
	}
	return e.follower.WaitFor(ctx, last)
}

// Prove waits until the state shows everything that was acknowledged before the
// call, anywhere: only then may an answer say that something is not there, such
// as a token.
func (e *Emitter) Prove(ctx context.Context) error { return e.follower.CatchUp(ctx) }

func envelopes(d command.Decision, meta Meta, now time.Time) []*events.Event {
	evs := make([]*events.Event, len(d.Events))
	for i, data := range d.Events {
		evs[i] = &events.Event{
			ID: events.NewID("e_"), Time: now.UTC().Truncate(time.Microsecond), Organization: d.Organization,
			Actor: meta.Actor, Correlation: meta.Correlation, Causation: meta.Causation, Data: data,
		}
	}
	if meta.Event != "" && len(evs) > 0 {
		evs[0].ID = meta.Event
	}
	return evs
}
