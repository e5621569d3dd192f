package journal

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
)

const (
	// A pull asks for this much, so that a replay is not slowed by round trips.
	pullBytes = 16 << 20
	// There are none to a server in this process: what it is asked for is little
	// enough to be in the processor's cache still when it is looked at.
	nearBytes = 2 << 20
	// No pull has so many records: its bytes are to end it. One that ends with its
	// messages overlaps with the next, and nats.go has no room for all of both and
	// for what the server says of the end: from a slow reader, it drops the last.
	pullMessages = 32 << 10

	pullExpiry = 30 * time.Second
	// Twice this without a sign of the consumer, and it is made anew.
	heartbeat = time.Second
	// The server removes a consumer that nobody pulls from.
	abandonedAfter = 2 * time.Minute
)

var errReconnected = errors.New("the connection was made anew")

// A source delivers messages of the stream in order. It is an ephemeral
// consumer in the server's memory that acknowledges nothing; on any error it is
// thrown away.
type source struct {
	j        *Journal
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
}

// open makes a source of the records from first up to last; 0: without end.
func (j *Journal) open(ctx context.Context, first, last events.Position, at place) (*source, error) {
	ctx, cancel := context.WithTimeout(ctx, j.cfg.SettleTimeout)
	defer cancel()
	consumer, err := j.consumer(ctx, first, at)
	if err != nil {
		return nil, err
	}
	pull, size := pullMessages, pullBytes
	if last > 0 { // what is not wanted need not come
		pull = int(min(pullMessages, last-first+1))
	}
	if j.cfg.Conn.Opts.InProcessServer != nil {
		size = max(nearBytes, 2*j.maxPayload) // a message larger than a pull never comes
	}
	messages, err := consumer.Messages(
		jetstream.PullMaxMessagesWithBytesLimit(pull, size),
		jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(heartbeat),
	)
	if err != nil {
		return nil, err
	}
	return &source{j: j, consumer: consumer, messages: messages}, nil
}

func (s *source) next(ctx context.Context) (jetstream.Msg, error) {
	msg, err := s.messages.Next(jetstream.NextContext(ctx))
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return msg, err
}

// pending reports whether the server says that it has not delivered everything
// yet.
func (s *source) pending(ctx context.Context) (bool, error) {
	info, err := s.consumer.Info(ctx)
	if err != nil {
		return false, err
	}
	return info.NumPending > 0, nil
}

// close removes the consumer at once where it can; otherwise the server does.
func (s *source) close() {
	s.messages.Stop()
	if !s.j.cfg.Conn.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.j.stream.DeleteConsumer(ctx, s.consumer.CachedInfo().Name); err != nil {
		s.j.log.Debug("consumer is left to expire", "err", err)
	}
}

// onReconnect calls fn when the connection has come back or was closed for
// good, because messages that were on their way are lost and nats.go lets those
// who wait for them wait. The returned function ends that.
func (j *Journal) onReconnect(fn func()) (stop func()) {
	status := j.cfg.Conn.StatusChanged(nats.CONNECTED, nats.CLOSED)
	done := make(chan struct{})
	go func() {
		select {
		case <-status:
			fn()
		case <-done:
		}
	}()
	return func() {
		close(done)
		j.cfg.Conn.RemoveStatusListener(status)
	}
}
