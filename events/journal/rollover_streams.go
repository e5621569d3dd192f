package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/leader"
)

// mirror makes one stream a copy of the end of another one and reads it. One of
// that name is removed before.
func (o *rollover) mirror(ctx context.Context, name, of string) error {
	if err := o.alone(ctx, name); err != nil {
		return err
	}
	if err := o.remove(ctx, name); err != nil {
		return err
	}
	o.step("copy to " + name)
	if err := o.reach(ctx, name, func(info *jetstream.StreamInfo) bool { return info != nil }, func(ctx context.Context) error {
		want := o.marked(name)
		want.Mirror = &jetstream.StreamSource{Name: of, OptStartSeq: uint64(o.At.Position)}
		_, err := o.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			err = nil
		}
		return err
	}); err != nil {
		return err
	}
	at := events.Position(0)
	for at < o.last {
		before := at
		if err := o.reach(ctx, name, func(info *jetstream.StreamInfo) bool {
			if info != nil {
				at = events.Position(info.State.LastSeq)
			}
			return at > before
		}, nil); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(at, o.last)
		}
	}
	return o.read(ctx, name, o.last)
}

// alone makes sure that nobody else has gone on with the same roll-over: then
// the stream that is to be made anew may be the only whole one, or in use again.
func (o *rollover) alone(ctx context.Context, name string) error {
	info, err := o.look(ctx, name)
	if err != nil || info == nil {
		return err
	}
	marked := archivingTo(info) == o.At.Position
	if name == NextName && marked && info.Config.Sealed || name == StreamName && !marked && !o.Exclusive {
		return fmt.Errorf("%w: stream %s: somebody else has gone on with it", ErrUnavailable, name)
	}
	return nil
}

// marked is the configuration of a stream of a roll-over.
func (o *rollover) marked(name string) jetstream.StreamConfig {
	c := streamConfig(o.cfg.Replicas)
	c.Name, c.Subjects = name, nil
	c.Metadata = map[string]string{archivingKey: fmt.Sprint(o.At.Position)}
	return c
}

// remove removes a stream whose records are known to be in another one.
func (o *rollover) remove(ctx context.Context, name string) error {
	info, err := o.look(ctx, name)
	if err != nil || info == nil {
		return err
	}
	if err := o.durable(ctx); err != nil {
		return err
	}
	o.step("remove " + name)
	return o.reach(ctx, name, func(info *jetstream.StreamInfo) bool { return info == nil }, func(ctx context.Context) error {
		err := o.js.DeleteStream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			err = nil
		}
		return err
	})
}

func (o *rollover) durable(ctx context.Context) error {
	if o.Durable == nil {
		return nil
	}
	return o.Durable(ctx)
}

// read verifies every record of a stream up to last, from the one that the log
// is to begin with. All that are read must be the same.
func (o *rollover) read(ctx context.Context, name string, last events.Position) error {
	if _, err := o.look(ctx, name); err != nil { // the connection may be made anew just now
		return err
	}
	stream, err := o.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	j := newJournal(o.cfg, o.js, stream)
	defer j.die()
	j.name, j.rolling = name, true
	var end events.Chain
	err = j.Read(ctx, o.Before, last, func(r *Record) error {
		if end = r.Chain; r.Position == o.At.Position && r.Chain != o.At.Chain {
			return &DamageError{Position: r.Position, Reason: reasonChain}
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case o.last == 0:
		o.last, o.end = last, end
	case o.last != last || o.end != end:
		return fmt.Errorf("%s is another log than it was", name)
	}
	return nil
}

// look returns what the leader of a stream tells; nil: there is no such stream.
func (o *rollover) look(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	info, err := leader.Info(ctx, o.cfg.Conn, name, "")
	for passing(err) && ctx.Err() == nil {
		time.Sleep(stepLook)
		info, err = leader.Info(ctx, o.cfg.Conn, name, "")
	}
	switch {
	case apiCode(err) == jetstream.JSErrCodeStreamNotFound:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: stream %s: %w", ErrUnavailable, name, err)
	}
	return info, nil
}

// reach acts until a stream is as it is to be. Without act it waits for that.
func (o *rollover) reach(ctx context.Context, name string, reached func(*jetstream.StreamInfo) bool, act func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	cause := errors.New("it stands still")
	for {
		info, err := o.look(ctx, name)
		if err != nil || reached(info) {
			return err
		}
		if act != nil {
			if err := act(ctx); err != nil {
				cause = err
			}
		}
		if hopeless(cause) {
			return fmt.Errorf("%w: stream %s: %w", ErrUnavailable, name, cause)
		}
		select {
		case <-time.After(stepLook):
		case <-ctx.Done():
			return fmt.Errorf("%w: stream %s: %w", ErrUnavailable, name, cause)
		}
	}
}

// passing reports an error of a connection that is being made anew.
func passing(err error) bool {
	return errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrConnectionReconnecting)
}
