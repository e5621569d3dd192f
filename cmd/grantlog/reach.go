package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers"
	"github.com/grantlog/grantlog/handlers/emit"
)

// reachRetry is the pause between two attempts at what the log did not let
// happen.
const reachRetry = 250 * time.Millisecond

// whenReachable repeats a step of the start while the log does not answer, as
// happens when its leader goes just then, or while other replicas that start
// too are faster. A single server's log answers at once or not at all.
func whenReachable(ctx context.Context, single bool, step func() error) error {
	for {
		err := step()
		if single || !passing(err) {
			return err
		}
		select {
		case <-time.After(reachRetry):
		case <-ctx.Done():
			return err
		}
	}
}

// awaitLog opens the log once it is there to be opened. While others do
// something with it, the replica says so. A member of a cluster waits for that
// in any case: nobody completes it without the members.
func (r *replica) awaitLog(ctx context.Context, copies int) error {
	member := r.site.embedded != nil && !r.site.embedded.single()
	said := ""
	return whenReachable(ctx, r.site.embedded.single(), func() error {
		err := r.openLog(ctx, copies)
		if !member && !r.site.awaits || !othersTurn(err) {
			return err
		}
		if why := err.Error(); why != said {
			r.log.Info("waiting for the log", "reason", why)
			r.face.show(handlers.Starting(r.log, copies, err))
			said = why
		}
		return fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
	})
}

// othersTurn reports an error that ends when somebody else has done something.
func othersTurn(err error) bool {
	return errors.Is(err, journal.ErrAbsent) || errors.Is(err, journal.ErrRestoring) || errors.Is(err, journal.ErrArchiving)
}

// passing reports an error that says nothing about the next attempt.
func passing(err error) bool {
	for _, target := range []error{journal.ErrUnavailable, journal.ErrUncertain, erasable.ErrUnavailable, emit.ErrContended} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
