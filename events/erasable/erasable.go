// Package erasable owns what the log must be able to forget: a key-value bucket
// of the same NATS, beside the log's stream and never part of the state.
//
// The log keeps every byte for good. So what identifies a person stands there
// sealed, and the key that opens it stands here, where it can be destroyed;
// together with it goes whatever leads from the person to the log. The state
// is folded without a look at the bucket: it is the same before and after.
//
// An entry is written once and never changed: there is no former value that a
// store might still hold. Erase overwrites an entry on disk; its name alone
// stays in the server's index until that is written again, within minutes or
// when the server stops. What a cluster's Raft log or a backup holds of an entry
// lasts as long as these are kept.
//
// Everything is read from the bucket's leader, so what was acknowledged to any
// replica is seen by every other one. A Store is safe for concurrent use.
package erasable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/drift"
	"github.com/grantlog/grantlog/events/leader"
)

// Bucket is the name of the key-value bucket.
const Bucket = "grantlog_erasable"

// StreamName is the JetStream stream of the bucket.
const StreamName = "KV_" + Bucket

const (
	prefix = "$KV." + Bucket + "."

	// attemptTimeout is how long a request waits for its answer.
	attemptTimeout = 5 * time.Second
)

var (
	// ErrNotFound is returned for a key without an entry: it was erased, or
	// never written.
	ErrNotFound = errors.New("erasable: no such entry")

	// ErrExists is returned by Put for a key that has an entry.
	ErrExists = errors.New("erasable: the entry exists")

	// ErrUnavailable says that the bucket did not answer. It wraps the cause;
	// a Put or Erase may have happened all the same (HTTP: 503).
	ErrUnavailable = errors.New("erasable: the bucket is not available")
)

// Config says where the bucket is.
type Config struct {
	Conn     *nats.Conn   // required; stays the caller's, as in journal.Config
	Replicas int          // of the bucket's stream. 0: 1
	Logger   *slog.Logger // may be nil
	// Existing: a bucket that is missing is not made, but ErrNotFound.
	Existing bool
}

// Store is the bucket.
type Store struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
}

// Open creates the bucket if it is missing and asserts how it is configured.
// While the server cannot answer yet, it waits until ctx ends. Several replicas
// may open at once.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Conn == nil {
		return nil, errors.New("erasable: no connection")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("erasable: %w", err)
	}
	want := config(max(1, cfg.Replicas))
	for told := false; ; told = true {
		stream, err := ensure(ctx, js, want, cfg.Existing)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, ErrNotFound
		}
		if err == nil {
			if err := drift.Check(want, stream.CachedInfo().Config); err != nil {
				return nil, fmt.Errorf("erasable: %w", err)
			}
			return &Store{cfg.Conn, js, stream}, nil
		}
		if hopeless(err) {
			return nil, fmt.Errorf("erasable: %w", err)
		}
		if !told {
			cfg.Logger.Info("waiting for the bucket", "bucket", Bucket, "err", err)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// subject returns where a key's entry stands. A key is made of parts that are
// safe in a subject, with dots between them.
func subject(key string) (string, error) {
	for part := range strings.SplitSeq(key, ".") {
		if err := events.CheckSubjectToken(part); err != nil {
			return "", fmt.Errorf("erasable: not a key: %w", err)
		}
	}
	return prefix + key, nil
}

// Put writes an entry and returns when it is durable. It never replaces one:
// ErrExists.
func (s *Store) Put(ctx context.Context, key string, value []byte) error {
	subject, err := subject(key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	_, err = s.js.Publish(ctx, subject, value, jetstream.WithExpectLastSequencePerSubject(0))
	switch {
	case err == nil:
		return nil
	case code(err) == codeWrongLastSequence, code(err) == codeWrongLastSequenceReplicated:
		return ErrExists
	}
	return fmt.Errorf("%w: put: %w", ErrUnavailable, err)
}

// Get reads an entry: ErrNotFound without one.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	m, err := s.last(ctx, key)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

func (s *Store) last(ctx context.Context, key string) (*jetstream.RawStreamMsg, error) {
	subject, err := subject(key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("%w: get: %w", ErrUnavailable, err)
	}
	return m, nil
}

// List returns the last parts, sorted, of the keys that have one more part than
// the given ones.
func (s *Store) List(ctx context.Context, key string) ([]string, error) {
	subject, err := subject(key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	info, err := leader.Info(ctx, s.conn, StreamName, subject+".*")
	if err != nil {
		return nil, fmt.Errorf("%w: list: %w", ErrUnavailable, err)
	}
	var parts []string
	for found := range info.State.Subjects {
		parts = append(parts, strings.TrimPrefix(found, subject+"."))
	}
	slices.Sort(parts)
	return parts, nil
}

// An Entry is an entry with its key.
type Entry struct {
	Key   string
	Value []byte
}

// All gives fn every entry, oldest first. What is put or erased meanwhile may
// be among them or not; see Revision.
func (s *Store) All(ctx context.Context, fn func(Entry) error) error {
	for next := uint64(1); ; {
		m, err := s.from(ctx, next)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: all: %w", ErrUnavailable, err)
		}
		if err := fn(Entry{strings.TrimPrefix(m.Subject, prefix), m.Data}); err != nil {
			return err
		}
		next = m.Sequence + 1
	}
}

// from reads the first entry that stands at or after a sequence.
func (s *Store) from(ctx context.Context, sequence uint64) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return s.stream.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(prefix+">"))
}

// A Revision is what the bucket has seen: with every Put and every Erase it is
// another one.
type Revision struct{ last, entries uint64 }

// Revision returns that of the moment.
func (s *Store) Revision(ctx context.Context) (Revision, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	info, err := leader.Info(ctx, s.conn, StreamName, "")
	if err != nil {
		return Revision{}, fmt.Errorf("%w: revision: %w", ErrUnavailable, err)
	}
	return Revision{info.State.LastSeq, info.State.Msgs}, nil
}

// Erase overwrites an entry where it is stored. A key without one is erased
// already.
func (s *Store) Erase(ctx context.Context, key string) error {
	m, err := s.last(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if err = s.stream.SecureDeleteMsg(ctx, m.Sequence); err == nil {
		return nil
	}
	if _, again := s.last(ctx, key); errors.Is(again, ErrNotFound) {
		return nil // another replica was faster
	}
	return fmt.Errorf("%w: erase: %w", ErrUnavailable, err)
}

// Remove destroys the bucket and everything in it.
func (s *Store) Remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return s.js.DeleteStream(ctx, StreamName)
}

// Codes of nats-server (server/errors.json).
const (
	codeNoPeers                     jetstream.ErrorCode = 10005
	codeWrongLastSequence           jetstream.ErrorCode = 10071
	codeWrongLastSequenceReplicated jetstream.ErrorCode = 10164
)

// hopeless reports an answer that waiting does not change. That the bucket has
// no place is told, too, while members of a cluster are missing.
func hopeless(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code < 500 && api.ErrorCode != codeNoPeers
}

func code(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	return 0
}
