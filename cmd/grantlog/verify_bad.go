package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/replay"
)

// unprovedError says that nothing is known of the log, neither good nor bad:
// exit code 3.
type unprovedError struct{ err error }

func (e *unprovedError) Error() string { return "nothing was proved: " + e.err.Error() }
func (e *unprovedError) Unwrap() error { return e.err }

// unproved tells what keeps from reading a log from what is wrong with it, which
// it returns as it is.
func unproved(err error) error {
	var inUse *inUseError
	var unknown *events.UnknownTypeError
	switch {
	case errors.As(err, &inUse), errors.As(err, &unknown), errors.Is(err, journal.ErrUnavailable), errors.Is(err, errServer), errors.Is(err, errNotJoined),
		errors.Is(err, journal.ErrArchiving), errors.Is(err, journal.ErrRestoring),
		errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout), errors.Is(err, context.Canceled):
		return &unprovedError{err}
	}
	return err
}

// firstBad says where a log is not what it should be.
func (c *verifyCmd) firstBad(ctx context.Context, e *evidence, report replay.Report, err error) error {
	var unknown *unprovedError
	if err = unproved(err); err == nil || errors.As(err, &unknown) {
		return err
	}
	var mismatch *replay.MismatchError
	if !errors.As(err, &mismatch) {
		return fmt.Errorf("the log is not whole; it is good up to position %d, the first bad position is %d: %w", report.Position, report.Position+1, err)
	}
	first, last := mismatch.Good+1, mismatch.Position
	if exact := c.altered(ctx, e); exact != 0 {
		first, last = exact, exact
	} else if report.Position < mismatch.Position && mismatch.Good == report.Position {
		last = first // it ends there
	}
	if first == last {
		return fmt.Errorf("the log is not the one it was; the first bad position is %d: %w", first, err)
	}
	return fmt.Errorf("the log is not the one it was; the first bad position is one from %d to %d: %w", first, last, err)
}

// altered compares the log with the leaves of the tree that a server kept of
// it. 0: there are none, or they do not tell.
func (c *verifyCmd) altered(ctx context.Context, e *evidence) events.Position {
	if e.tree == nil {
		return 0
	}
	position, err := replay.FirstAltered(ctx, e.log, e.tree, e.head)
	if err != nil {
		return 0 // a damaged tree names nothing; that the log is bad is known
	}
	return position
}

// compareState asks whether who serves the log has the state that its records
// give.
func compareState(ctx context.Context, e *evidence, report replay.Report) error {
	hash, err := e.stateHash(ctx, report.Position)
	if err != nil {
		return unproved(err)
	}
	if own := fmt.Sprintf("%x", report.StateHash); hash != own {
		return fmt.Errorf("the records are whole, but the server's state at position %d is not what they give: it has hash %s, want %s", report.Position, hash, own)
	}
	return nil
}
