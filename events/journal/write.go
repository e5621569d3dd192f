package journal

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
)

// absentTimeout is how long a write waits for a connection or for a stream
// leader as long as nothing was sent.
const absentTimeout = time.Second

// A pageWrite is one message on its way to the stream.
type pageWrite struct {
	subject string
	commit  string
	payload []byte
	mac     mac
	events  int
	guard   *events.Position // AppendIf: the subject's last position
}

func (w *pageWrite) message() *nats.Msg {
	h := nats.Header{
		jetstream.MsgIDHeader:          {w.commit},
		jetstream.ExpectedStreamHeader: {StreamName},
		macHeader:                      {w.mac.String()},
	}
	if w.guard != nil {
		h[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(uint64(*w.guard), 10)}
	}
	return &nats.Msg{Subject: w.subject, Header: h, Data: w.payload}
}

// write publishes until the outcome is known, or settles it.
func (j *Journal) write(ctx context.Context, w *pageWrite) (events.Position, error) {
	began := time.Now()
	t := &attempts{j: j, w: w, before: events.Position(j.known.Load())}
	pos, err := t.run(ctx)
	if err == nil {
		j.reached(pos)
	}
	if j.cfg.Observe != nil {
		j.cfg.Observe(Commit{Events: w.events, Bytes: len(w.payload), Attempts: t.sent, Took: time.Since(began), Err: err})
	}
	return pos, err
}

// attempts are the publishes of one page.
type attempts struct {
	j      *Journal
	w      *pageWrite
	before events.Position // the log had reached this before the first publish
	sent   int
	lost   bool // a publish may have reached the stream without our hearing of it
}

func (t *attempts) run(ctx context.Context) (events.Position, error) {
	began := time.Now()
	for pause := newPause(); ; {
		pos, err := t.publish(ctx)
		if err == nil {
			t.j.led.Store(true)
			return pos, nil
		}
		a := judge(err)
		if ctx.Err() == nil {
			t.j.led.Store(a == refused || a == conflict)
		}
		t.lost = t.lost || a == unanswered
		switch waited := time.Since(began); {
		case a == conflict && !t.lost:
			return 0, ErrConflict
		case a == refused, a == conflict && apiCode(err) == jetstream.JSErrCodeStreamWrongLastSequence:
			return t.settle(ctx, err)
		case ctx.Err() != nil:
			return 0, t.unsettled(context.Cause(ctx))
		case t.lost && waited >= t.j.cfg.SettleTimeout, !t.lost && waited >= absentTimeout:
			return t.settle(ctx, err)
		}
		level := slog.LevelDebug
		if pause.first() {
			level = slog.LevelWarn
		}
		t.j.log.Log(ctx, level, "append is tried again", "subject", t.w.subject, "commit", t.w.commit, "err", err)
		pause.wait(ctx)
	}
}

// publish sends the page once and waits for the ack.
func (t *attempts) publish(ctx context.Context) (events.Position, error) {
	if ctx.Err() != nil {
		return 0, errNotSent
	}
	ctx, cancel := context.WithTimeout(ctx, t.j.cfg.AckTimeout)
	defer cancel()
	defer t.j.onReconnect(cancel)() // the ack is lost
	switch conn := t.j.cfg.Conn; {
	case conn.IsClosed():
		return 0, errNeverAgain
	case !conn.IsConnected():
		return 0, errNotConnected
	}
	t.sent++
	// The stream answers a message id that it has with the position where it
	// stands, so a duplicate is the success of an earlier attempt.
	ack, err := t.j.js.PublishMsg(ctx, t.w.message(), jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, err
	}
	return events.Position(ack.Sequence), nil
}

// unsettled is the truth about a write whose page was not found.
func (t *attempts) unsettled(cause error) error {
	if t.lost {
		return fmt.Errorf("%w: %w", ErrUncertain, cause)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}
