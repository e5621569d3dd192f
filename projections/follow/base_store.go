package follow

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// BaseBucket is the object store bucket of the Base, in the NATS that keeps the
// log. Nothing there expires: without the base, the log is of no use.
const BaseBucket = "grantlog_base"

// BaseStream is the JetStream stream of BaseBucket.
const BaseStream = "OBJ_" + BaseBucket

func baseBucket(conn *nats.Conn, replicas int) (*bucket, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("follow: base: %w", err)
	}
	return &bucket{js, jetstream.ObjectStoreConfig{
		Bucket: BaseBucket, Description: "What the archived beginning of the log of grantlog came to", Replicas: replicas,
	}}, nil
}

// OpenBase returns the base of a log that begins at first, which is after 1.
// The error is ErrNoBase if there is none that verifies, and otherwise
// journal.ErrUnavailable. key is that of snapshots.
func OpenBase(ctx context.Context, conn *nats.Conn, key []byte, first events.Position) (*Base, error) {
	bucket, err := baseBucket(conn, 0)
	if err != nil {
		return nil, err
	}
	all, err := bucket.list(ctx, baseFormat)
	if err != nil {
		return nil, fmt.Errorf("%w: follow: base: %w", journal.ErrUnavailable, err)
	}
	for _, info := range all {
		if positionIn(info.Name, baseFormat) != first {
			continue
		}
		base, err := NewBase(ctx, key, first, func(ctx context.Context) (io.ReadCloser, error) { return bucket.open(ctx, info) })
		if errors.Is(err, errBase) && !errors.Is(err, journal.ErrUnavailable) {
			err = fmt.Errorf("%w (it begins at position %d): %w", ErrNoBase, first, err)
		}
		return base, err
	}
	return nil, fmt.Errorf("%w (it begins at position %d)", ErrNoBase, first)
}

// PutBase puts the base of a log that is to begin at first: what write writes,
// which WriteBase or Copy did. One that is there already is replaced.
func PutBase(ctx context.Context, conn *nats.Conn, replicas int, first events.Position, write func(io.Writer) error) error {
	bucket, err := baseBucket(conn, replicas)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(write(w)) }()
	err = bucket.put(ctx, fmt.Sprintf(baseFormat, first), r)
	r.CloseWithError(errors.Join(err, errors.New("it is not read any more")))
	if err != nil {
		return fmt.Errorf("follow: base: %w", err)
	}
	return nil
}

// DropBases removes the bases of all positions but one.
func DropBases(ctx context.Context, conn *nats.Conn, keep events.Position) error {
	bucket, err := baseBucket(conn, 0)
	if err != nil {
		return err
	}
	all, err := bucket.list(ctx, baseFormat)
	for _, info := range all {
		if positionIn(info.Name, baseFormat) != keep {
			err = errors.Join(err, bucket.remove(ctx, info.Name))
		}
	}
	return err
}
