package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
)

// settleRead bounds the reading of a settlement.
const settleRead = 5 * time.Second

var errNotFound = errors.New("the page is not in the log")

// settle decides a write by what the log holds. cause is the last answer.
//
// A page that is found was written. One that is not found may still be on its
// way, unless none of its publishes was lost or its guard can no longer hold.
func (t *attempts) settle(ctx context.Context, cause error) (events.Position, error) {
	if !t.lost {
		return 0, t.unsettled(cause)
	}
	ctx, cancel := context.WithTimeout(ctx, settleRead)
	defer cancel()
	if t.w.guard != nil {
		return t.settleGuarded(ctx, cause)
	}
	for pos := t.before; ; {
		found, commit, err := t.j.nextOf(ctx, t.w.subject, pos)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return 0, t.unsettled(fmt.Errorf("%w: %w", errNotFound, cause))
		case err != nil:
			return 0, t.unsettled(fmt.Errorf("%w: %w", err, cause))
		case commit == t.w.commit:
			return t.confirm(ctx, found)
		}
		pos = found
	}
}

// settleGuarded needs one look: a guarded page can only be the first record of
// its subject after the guard, and never becomes it once another one is.
func (t *attempts) settleGuarded(ctx context.Context, cause error) (events.Position, error) {
	found, commit, err := t.j.nextOf(ctx, t.w.subject, *t.w.guard)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, t.unsettled(fmt.Errorf("%w: %w", errNotFound, cause))
	case err != nil:
		return 0, t.unsettled(fmt.Errorf("%w: %w", err, cause))
	case commit != t.w.commit:
		return 0, ErrConflict
	}
	return t.confirm(ctx, found)
}

// confirm accepts a page that was found only if the log ends at or after it: a
// server whose disk failed can still show, from its cache, the message that it
// could not store.
func (t *attempts) confirm(ctx context.Context, found events.Position) (events.Position, error) {
	last, err := t.j.Last(ctx)
	if err == nil && last < found {
		err = errNotFound
	}
	if err != nil {
		return 0, t.unsettled(err)
	}
	return found, nil
}

// nextOf asks the stream's leader for the first record of a subject after pos.
func (j *Journal) nextOf(ctx context.Context, subject string, pos events.Position) (events.Position, string, error) {
	msg, err := j.stream.GetMsg(ctx, uint64(pos)+1, jetstream.WithGetMsgSubject(subject))
	if err != nil {
		return 0, "", err
	}
	if _, ok := newMacer(j.cfg.MACKey).verify(msg.Header.Get(macHeader), msg.Subject, msg.Data); !ok {
		return 0, "", &DamageError{Position: events.Position(msg.Sequence), Reason: reasonMAC}
	}
	header, _, err := events.DecodePage(msg.Data)
	return events.Position(msg.Sequence), header.Commit, err
}
