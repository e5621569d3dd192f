package journal

import (
	"errors"
	"fmt"

	"github.com/grantlog/grantlog/events"
)

var (
	// ErrConflict is returned by AppendIf when the subject moved on: nothing
	// was written. Catch up with the log and decide again.
	ErrConflict = errors.New("journal: the subject has a later event")

	// ErrUnavailable says that the log refused or could not be reached and
	// that nothing of the call was written. It wraps the cause; trying again
	// later is safe (HTTP: 503 with Retry-After).
	ErrUnavailable = errors.New("journal: the log is not available")

	// ErrUncertain says that the call may or may not have been written, now or
	// in the next moments, and that it could not be settled in time. The
	// caller must act as if it were not acknowledged (HTTP: 503) and must not
	// assume that it never happened.
	ErrUncertain = errors.New("journal: the append is not settled")

	// ErrTooLarge is returned for a call whose events can never fit one page.
	// Nothing was written.
	ErrTooLarge = errors.New("journal: events are too large for one page")

	// ErrExists is returned by Restore where there is a log.
	ErrExists = errors.New("journal: there is a log already")

	// ErrAbsent is returned by Open where there is no log, if it is not to make
	// one.
	ErrAbsent = errors.New("journal: there is no log yet")

	// ErrRestoring is returned by Open and Restore where a log is being
	// restored, or that was broken off: it is not whole and nobody may use it.
	// Once nobody restores it, Abandon removes it.
	ErrRestoring = errors.New("journal: stream " + StreamName + " is being restored from a backup, or that was broken off; if so, do it again with grantlog restore --anew")

	// ErrArchiving is returned by Open where the beginning of a log is being
	// archived, or that was broken off: nobody may use it until RollOver has
	// ended. A journal that is open finds the log unavailable meanwhile.
	ErrArchiving = errors.New("journal: the beginning of the log is being archived, or that was broken off; if so, complete it with grantlog archive --finish")

	// ErrClosed is the cause inside ErrUnavailable after Close.
	ErrClosed = errors.New("journal: closed")
)

// An ArchivedError says that the beginning of the log is not here any more, and
// that something was asked for which stands there.
type ArchivedError struct {
	First events.Position // of the log that is here
}

// Begins is the first position of the log.
func (e *ArchivedError) Begins() events.Position { return e.First }

func (e *ArchivedError) Error() string {
	return fmt.Sprintf("journal: the log before position %d was archived", e.First)
}

// A GapError says that records are missing: the log does not continue where it
// was left, or it ends before a record that it once had.
type GapError struct {
	Want events.Position // the record that must be there
	Got  events.Position // the next or last one that is there; 0: none
	// Server has the copy that was read; empty: it is not known.
	Server string
}

func (e *GapError) Error() string {
	return fmt.Sprintf("journal: gap in the log: want position %d, got %d", e.Want, e.Got)
}

// A DamageError says that a record is not what its writer wrote, or that the
// log contradicts itself.
type DamageError struct {
	Position events.Position
	Reason   string // constant text: it never quotes the record
	// Server has the copy that was read; empty: it is not known.
	Server string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal: damaged log at position %d: %s", e.Position, e.Reason)
}
