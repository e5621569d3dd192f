package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
)

const (
	// restoringKey is metadata of a stream that nobody may open yet. Its value
	// is an id, so that of two who restore at once one fails.
	restoringKey = "grantlog-restoring"

	// What may be on its way to the stream at once.
	maxPending      = 256
	maxPendingBytes = 16 << 20
	// ackPatience is how long a restoration waits for one ack. A stream that
	// takes longer is left, and everything begins anew.
	ackPatience = 30 * time.Second
)

// A Restoration is a log in the making. It is used by one goroutine.
type Restoration struct {
	j       *Journal
	first   events.Position
	last    events.Position // that was sent
	pending []pendingAck    // oldest first
	bytes   int
}

type pendingAck struct {
	position events.Position
	bytes    int
	future   jetstream.PubAckFuture
}

// Restore makes the log anew, with first as the position of its first record:
// 1, or more where the beginning of the log was archived. fill puts in what the
// log consists of; nobody else can open it until fill returned. Where that
// fails, no log is left behind.
//
// Errors: ErrExists, ErrRestoring, ErrArchiving, those of fill, and
// ErrUnavailable.
func Restore(ctx context.Context, cfg Config, first events.Position, fill func(*Restoration) error) (err error) {
	if err := cfg.complete(); err != nil {
		return err
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	switch _, err := find(ctx, js); {
	case err == nil:
		return ErrExists
	case errors.Is(err, ErrRestoring), errors.Is(err, ErrArchiving):
		return err
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("%w: look for the stream: %w", ErrUnavailable, err)
	}
	want := streamConfig(cfg.Replicas)
	want.Metadata = map[string]string{restoringKey: events.NewID("")}
	want.FirstSeq = firstSeq(first)
	stream, err := js.CreateStream(ctx, want)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return ErrExists
	}
	if err != nil {
		return fmt.Errorf("%w: create the stream: %w", ErrUnavailable, err)
	}
	r := &Restoration{j: newJournal(cfg, js, stream), first: first, last: first - 1}
	defer r.j.die()
	if err = fill(r); err == nil {
		err = r.finish(ctx)
	}
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackPatience)
	defer cancel()
	return errors.Join(err, js.DeleteStream(ctx, StreamName))
}

// Restoring reports whether a log is being restored, or that was broken off.
func Restoring(ctx context.Context, cfg Config) (bool, error) {
	o, err := newRollover(cfg, Rollover{})
	if err != nil {
		return false, err
	}
	log, err := o.look(ctx, StreamName)
	return log != nil && log.Config.Metadata[restoringKey] != "", err
}

// Abandon removes a log whose restoration was broken off. beside removes before
// what was made beside it, so that what is left is known for what it is,
// whatever interrupts it. Nobody may restore the log any more.
//
// Errors: those of beside, and ErrUnavailable.
func Abandon(ctx context.Context, cfg Config, beside func() error) error {
	restoring, err := Restoring(ctx, cfg)
	if err != nil || !restoring {
		return err
	}
	if err := beside(); err != nil {
		return err
	}
	o, err := newRollover(cfg, Rollover{})
	if err != nil {
		return err
	}
	return o.remove(ctx, StreamName)
}

// firstSeq is the setting of a stream that begins at a position; 0: at the
// beginning.
func firstSeq(first events.Position) uint64 {
	if first <= 1 {
		return 0
	}
	return uint64(first)
}

// finish lets everybody open the log, once all of it is durable.
func (r *Restoration) finish(ctx context.Context) error {
	if err := r.flush(ctx, 0, 0); err != nil {
		return err
	}
	open := streamConfig(r.j.cfg.Replicas)
	open.FirstSeq = firstSeq(r.first)
	if _, err := r.j.js.UpdateStream(ctx, open); err != nil {
		return fmt.Errorf("%w: open the stream: %w", ErrUnavailable, err)
	}
	return nil
}

// Put appends a record as it stood in another log, at the same position. It
// returns before the record is durable; fill does not count until all are.
func (r *Restoration) Put(ctx context.Context, record *Record) error {
	if want := r.last + 1; record.Position != want {
		return &GapError{Want: want, Got: record.Position}
	}
	future, err := r.j.js.PublishMsgAsync(&nats.Msg{
		Subject: record.Subject,
		Header: nats.Header{
			jetstream.MsgIDHeader:           {record.Header.Commit},
			jetstream.ExpectedStreamHeader:  {StreamName},
			jetstream.ExpectedLastSeqHeader: {strconv.FormatUint(uint64(r.last), 10)},
			macHeader:                       {record.MAC},
		},
		Data: slices.Clone(record.Payload),
	}, jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r.last = record.Position
	r.pending = append(r.pending, pendingAck{record.Position, record.Bytes, future})
	r.bytes += record.Bytes
	at := record.Cursor()
	r.j.SetSeen(func() events.Seen { return events.Seen{Position: at.Position, Chain: at.Chain} })
	return r.flush(ctx, maxPending, maxPendingBytes)
}

// Append appends events of the restoration itself; see Journal.Append.
func (r *Restoration) Append(ctx context.Context, subject string, evs ...*events.Event) (events.Position, error) {
	if err := r.flush(ctx, 0, 0); err != nil {
		return 0, err
	}
	at, err := r.j.Append(ctx, subject, evs...)
	r.last = max(r.last, at)
	return at, err
}

// flush waits until no more than so much is on its way.
func (r *Restoration) flush(ctx context.Context, count, bytes int) error {
	for len(r.pending) > count || r.bytes > bytes {
		next := r.pending[0]
		r.pending, r.bytes = r.pending[1:], r.bytes-next.bytes
		select {
		case ack := <-next.future.Ok():
			if at := events.Position(ack.Sequence); at != next.position {
				return fmt.Errorf("%w: record %d came to position %d", ErrUnavailable, next.position, at)
			}
		case err := <-next.future.Err():
			return fmt.Errorf("%w: record %d: %w", ErrUnavailable, next.position, err)
		case <-time.After(ackPatience):
			return fmt.Errorf("%w: record %d is not acknowledged", ErrUnavailable, next.position)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
