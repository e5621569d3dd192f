package follow

import "errors"

var (
	// ErrNotReady: the state has not yet met the end that the log had at the
	// start, or has not been proved fresh since (HTTP: 503).
	ErrNotReady = errors.New("follow: not caught up with the log yet")

	// ErrStale: the log was not heard of for longer than MaxStaleness, so the
	// state may be older than promised (HTTP: 503).
	ErrStale = errors.New("follow: the log was not heard of for too long")

	// ErrDamaged: the log does not continue what was applied. The error that
	// wraps it says where and wraps the cause (HTTP: 503).
	ErrDamaged = errors.New("follow: the log is damaged")

	// ErrShortened: the log ends before what this replica had applied.
	ErrShortened = errors.New("follow: the log was shortened")

	// ErrAltered: the log holds another record at a position that this
	// replica had applied.
	ErrAltered = errors.New("follow: the log was altered")

	// ErrClosed: the follower was closed.
	ErrClosed = errors.New("follow: closed")
)
