package main

import (
	"context"
	"errors"
	"time"

	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
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

// passing reports an error that says nothing about the next attempt.
func passing(err error) bool {
	for _, target := range []error{journal.ErrUnavailable, journal.ErrUncertain, erasable.ErrUnavailable, emit.ErrContended} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
