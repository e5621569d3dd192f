// Package journal is the only writer and reader of the log: one JetStream
// stream whose messages are pages of events.
//
// # Writing
//
// Append writes facts that cannot conflict. Every subject has a committer that
// keeps one publish in flight and puts everything that was queued meanwhile
// into the next page, so a lone caller waits for one write and many callers
// share one. AppendIf writes an edit if its subject has not moved on. A caller
// is released by the stream's ack of its page, never before; the events of one
// call stand in one page, in the order of the call, and of two calls for one
// subject the one that was made first stands first.
//
// A publish without an answer is sent again under the same message id, which
// the stream recognizes, and settled by reading the log: it is never assumed
// to have failed or to have succeeded.
//
// # Reading
//
// Read and Tail give every record once, in order. They check that positions
// have no gaps, that every page carries its writer's MAC over subject and
// payload, and that what writers say they had seen agrees with the running
// hash over the log (the chain). What fails a check is read again from a fresh
// consumer, which a cluster may place on another node, and then reported:
// nothing is skipped.
//
// A Journal is safe for concurrent use. Functions given to Read and Tail are
// called by one goroutine, that of the caller.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/leader"
)

// StreamName is the JetStream stream that holds the log.
const StreamName = "GRANTLOG"

const (
	defaultAckTimeout    = 2 * time.Second
	defaultSettleTimeout = 12 * time.Second

	// The stream remembers message ids for this long; an append must be
	// settled well within it.
	duplicateWindow  = 5 * time.Minute
	maxSettleTimeout = 2 * time.Minute
)

// Config says where the log is and who writes.
type Config struct {
	// Conn is required. It stays the caller's, who closes it after the
	// journal. It should reconnect for ever (nats.MaxReconnects(-1)) and
	// buffer nothing while disconnected (nats.ReconnectBufSize(-1)), so that
	// no page is sent long after its callers were told that it failed.
	Conn *nats.Conn
	// MACKey is required: 32 bytes, the same for all replicas.
	MACKey []byte
	// Replica is required: the id of this writer, stamped on every page.
	Replica string
	// Replicas of the stream. 0: 1.
	Replicas int
	// Existing: a log that is missing is not made by Open, but ErrAbsent.
	Existing bool
	// Logger may be nil.
	Logger *slog.Logger

	// AckTimeout is how long one attempt waits for its ack before the same
	// message id is sent again. 0: 2 s.
	AckTimeout time.Duration
	// SettleTimeout is how long an append without an answer is tried again
	// before it is settled by reading. 0: 12 s, because a leader election
	// takes up to 9 s. At most 2 min.
	SettleTimeout time.Duration
	// Observe, if set, is called after every write. It must not block.
	Observe func(Commit)
	// Damaged, if set, is called when a server's copy of the log fails a
	// check, before the place is read from another one. It must not block.
	Damaged func(Damage)
}

// Damage is a place where a copy of the log is not what was written.
type Damage struct {
	Position events.Position
	Server   string // that has the copy
}

// Commit describes one write, for metrics.
type Commit struct {
	Events   int           // events of the page
	Bytes    int           // of the payload
	Attempts int           // publishes; more than 1 is unusual
	Took     time.Duration // from the first publish to the outcome
	Err      error         // nil, or ErrConflict, ErrUnavailable or ErrUncertain
}

// Journal writes and reads the log.
type Journal struct {
	cfg    Config
	name   string // of the stream; StreamName but for a roll-over
	log    *slog.Logger
	js     jetstream.JetStream
	stream jetstream.Stream
	seen   atomic.Pointer[func() events.Seen]
	info   atomic.Pointer[jetstream.StreamInfo] // as the leader last told
	known  atomic.Uint64                        // a position that the stream is known to have reached
	led    atomic.Bool                          // see Led
	// rolling: the stream is read as a part of a roll-over.
	rolling bool

	maxPayload int // bytes that the server takes

	life    context.Context // ends with Close
	die     context.CancelFunc
	writers sync.WaitGroup // committers and AppendIf calls

	mu     sync.Mutex // guards the fields below and all queues
	closed bool
	queues map[string]*queue // by subject; present while its committer runs
}

// Open creates the stream if it is missing (see Existing) and asserts that it
// is configured as the log needs it: otherwise it returns a *drift.Error. While
// the server cannot answer yet, as in a cluster that is still starting, Open
// waits until ctx ends. Several replicas may open at once.
func Open(ctx context.Context, cfg Config) (*Journal, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	stream, err := ensureStream(ctx, js, cfg)
	if err != nil {
		return nil, err
	}
	return newJournal(cfg, js, stream), nil
}

func newJournal(cfg Config, js jetstream.JetStream, stream jetstream.Stream) *Journal {
	j := &Journal{
		cfg: cfg, name: StreamName, log: cfg.Logger, js: js, stream: stream,
		maxPayload: int(cfg.Conn.MaxPayload()), queues: map[string]*queue{},
	}
	j.info.Store(stream.CachedInfo())
	j.known.Store(stream.CachedInfo().State.LastSeq)
	j.led.Store(true)
	j.life, j.die = context.WithCancel(context.Background())
	return j
}

func (c *Config) complete() error {
	switch {
	case c.Conn == nil:
		return errors.New("journal: no connection")
	case len(c.MACKey) != 32:
		return fmt.Errorf("journal: a MAC key of %d bytes, want 32", len(c.MACKey))
	case c.Replica == "":
		return errors.New("journal: no replica id")
	case c.SettleTimeout > maxSettleTimeout:
		return fmt.Errorf("journal: settle timeout %v is over %v", c.SettleTimeout, maxSettleTimeout)
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.AckTimeout <= 0 {
		c.AckTimeout = defaultAckTimeout
	}
	if c.SettleTimeout <= 0 {
		c.SettleTimeout = defaultSettleTimeout
	}
	return nil
}

// Replica is the id of this writer, as it stands on its pages.
func (j *Journal) Replica() string { return j.cfg.Replica }

// SetSeen sets how to ask what this replica has applied. The answer is stamped
// on every page from now on, so fn must return at once; it is called by
// several goroutines.
func (j *Journal) SetSeen(fn func() events.Seen) { j.seen.Store(&fn) }

// Last asks the stream's leader for the last position of the log: everything
// that was acknowledged before the call is at or before it. 0: the log is
// empty.
func (j *Journal) Last(ctx context.Context) (events.Position, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, j.cfg.AckTimeout)
	defer cancel()
	defer j.onReconnect(cancel)() // the answer is lost
	info, err := leader.Info(ctx, j.cfg.Conn, j.name, "")
	switch {
	case err != nil && caller.Err() == nil:
		j.led.Store(false)
	case err == nil && j.cfg.Replicas == 1:
		j.led.Store(true) // a leader that was cut off from the others answers, too
	}
	if err == nil && info.Config.Mirror != nil && !j.rolling {
		err = ErrArchiving // it is not whole
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	j.info.Store(info)
	last := events.Position(info.State.LastSeq)
	j.reached(last)
	return last, nil
}

// First is the first position of the log. It is more than 1 where what came
// before was archived.
func (j *Journal) First() events.Position {
	return max(1, events.Position(j.info.Load().Config.FirstSeq))
}

// Led reports whether the log had a leader, with a quorum behind it, when it
// was last asked to write a page or, where it has one replica, for a position.
// While nobody asks, a loss of the leader is not noticed.
func (j *Journal) Led() bool { return j.led.Load() && j.cfg.Conn.IsConnected() }

// reached notes that the stream has the position.
func (j *Journal) reached(pos events.Position) {
	for {
		known := j.known.Load()
		if uint64(pos) <= known || j.known.CompareAndSwap(known, uint64(pos)) {
			return
		}
	}
}

// Close refuses further appends and waits for those under way. When ctx ends
// first, it abandons them: their callers get ErrUncertain or ErrUnavailable.
// Reading is not affected.
func (j *Journal) Close(ctx context.Context) error {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	defer j.die()
	done := make(chan struct{})
	go func() {
		j.writers.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		j.die()
		<-done
		return fmt.Errorf("journal: closed before all appends were settled: %w", context.Cause(ctx))
	}
}
