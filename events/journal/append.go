package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/grantlog/grantlog/events"
)

// usualEvent is room for the encoding of most events, in bytes.
const usualEvent = 640

// Caps of a page, and of what may wait for one subject's committer.
const (
	maxPageEvents   = 1000
	maxPageBytes    = 512 << 10
	maxQueuedEvents = 64 << 10
	maxQueuedBytes  = 64 << 20

	// What a message holds besides events: the page's header and brackets, and
	// the NATS headers.
	pageOverhead = 1 << 10
)

var (
	errNoEvents  = errors.New("journal: append of no events")
	errQueueFull = errors.New("too many appends are waiting")
)

// Append writes events that cannot conflict to a subject and returns their
// common position once the stream has acknowledged them, which it does after
// they are durable (SyncAlways) on a quorum of its replicas. All events of a
// call stand in one page, which other calls may share.
//
// Errors: ErrUnavailable, nothing of the call was or will be written;
// ErrUncertain, it may have been or may still be; ErrTooLarge; or what makes
// an event impossible to encode. When ctx ends, a call whose page was not sent
// yet is withdrawn (ErrUnavailable); otherwise it returns ErrUncertain at once
// and the page is written all the same. Both wrap the cause of ctx.
func (j *Journal) Append(ctx context.Context, subject string, evs ...*events.Event) (events.Position, error) {
	e, err := j.encode(evs)
	if err != nil {
		return 0, err
	}
	if err := j.enqueue(subject, e); err != nil {
		return 0, err
	}
	select {
	case out := <-e.done:
		return out.pos, out.err
	case <-ctx.Done():
		if j.withdraw(subject, e) {
			return 0, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
	select {
	case out := <-e.done:
		return out.pos, out.err
	default:
		return 0, fmt.Errorf("%w: %w", ErrUncertain, context.Cause(ctx))
	}
}

// AppendIf writes events as one page of their own if last is still the last
// position of exactly this subject; 0 means that the subject has no record. A
// position that was archived means that it has none since. AppendIf returns
// when they are as durable as with Append.
//
// Errors: ErrConflict, the subject has another last position, or may have one
// that was archived and that this replica has not applied, and nothing was
// written; otherwise as with Append. When ctx ends before the outcome is known,
// the error is ErrUncertain: the page may be written all the same.
func (j *Journal) AppendIf(ctx context.Context, subject string, last events.Position, evs ...*events.Event) (events.Position, error) {
	e, err := j.encode(evs)
	if err != nil {
		return 0, err
	}
	if !j.enter() {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
	}
	defer j.writers.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(j.life, func() { cancel(ErrClosed) })()
	w := j.page(subject, e)
	guard, err := j.guard(ctx, last)
	if err != nil {
		return 0, err
	}
	w.guard = &guard
	return j.write(ctx, w)
}

// guard is what the stream knows as a subject's last position: nothing, if that
// was archived. Whether the subject had a later record that was archived as well
// is known only to who has applied all of them; and more may have been archived
// since the leader was last asked.
func (j *Journal) guard(ctx context.Context, last events.Position) (events.Position, error) {
	if first := j.First(); last >= first || first == 1 {
		return last, nil
	}
	if _, err := j.Last(ctx); err != nil {
		return 0, err
	}
	if seen := j.seen.Load(); seen == nil || (*seen)().Position+1 < j.First() {
		return 0, ErrConflict
	}
	return 0, nil
}

// enter registers a writer that Close waits for.
func (j *Journal) enter() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false
	}
	j.writers.Add(1)
	return true
}

// An entry is one call of Append, encoded.
type entry struct {
	encoded [][]byte
	bytes   int
	queued  bool         // waits in a queue; guarded by Journal.mu
	done    chan outcome // holds one outcome, so that nobody waits for a caller that left
}

type outcome struct {
	pos events.Position
	err error
}

// encode runs in the caller's goroutine: committers only join what it made.
func (j *Journal) encode(evs []*events.Event) (*entry, error) {
	if len(evs) == 0 {
		return nil, errNoEvents
	}
	e := &entry{encoded: make([][]byte, len(evs)), done: make(chan outcome, 1)}
	for i, ev := range evs {
		b, err := events.AppendEvent(make([]byte, 0, usualEvent), ev)
		if err != nil {
			return nil, err
		}
		e.encoded[i] = b
		e.bytes += len(b) + 1
	}
	if limit := j.maxPayload - pageOverhead; e.bytes > limit {
		return nil, fmt.Errorf("%w: %d bytes, the server takes %d", ErrTooLarge, e.bytes, limit)
	}
	return e, nil
}

// page assembles what one message writes.
func (j *Journal) page(subject string, entries ...*entry) *pageWrite {
	h := events.PageHeader{Commit: events.NewID("c_"), Replica: j.cfg.Replica}
	if seen := j.seen.Load(); seen != nil {
		h.Seen = (*seen)()
	}
	var encoded [][]byte
	size := pageOverhead
	for _, e := range entries {
		encoded = append(encoded, e.encoded...)
		size += e.bytes
	}
	payload := events.AppendPage(make([]byte, 0, size), h, encoded...)
	return &pageWrite{
		subject: subject,
		commit:  h.Commit,
		payload: payload,
		mac:     newMacer(j.cfg.MACKey).sum(subject, payload),
		events:  len(encoded),
	}
}
