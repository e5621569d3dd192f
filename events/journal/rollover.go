package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
)

// NextName is the JetStream stream that holds the log, too, while it is rolled
// over.
const NextName = "GRANTLOG_NEXT"

const (
	// archivingKey is metadata of a stream that takes part in a roll-over. Its
	// value is the position that the log is to begin with.
	archivingKey = "grantlog-archiving"
	// nextSubject is what nobody writes to: a stream must have a subject.
	nextSubject = "grantlog_next.nothing"

	// stepPatience is how long a step of a roll-over may stand still.
	stepPatience = time.Minute
	stepLook     = 20 * time.Millisecond
)

// A Rollover says how to make a log begin later than it does. What stands
// before must be kept elsewhere.
type Rollover struct {
	// Before and At stand before and after the record that the log is to begin
	// with.
	Before, At Cursor
	// Exclusive says that nobody else can open the log, whatever interrupts the
	// roll-over: the stream need not be sealed then. A server that is killed
	// while it changes a stream's configuration does not find the stream again,
	// and where there is one server, that of the only copy must not be changed.
	Exclusive bool
	// Durable is called before anything is removed that may not be needed any
	// more. nil: what the server acknowledges is durable.
	Durable func(context.Context) error
	// Progress may be nil. It is told how much of the log was copied, twice.
	Progress func(at, last events.Position)
}

// Archiving returns the position that a log is to begin with whose roll-over
// was begun and has not ended. 0: there is none.
func Archiving(ctx context.Context, cfg Config) (events.Position, error) {
	o, err := newRollover(cfg, Rollover{})
	if err != nil {
		return 0, err
	}
	for _, name := range []string{StreamName, NextName} {
		info, err := o.look(ctx, name)
		if err != nil {
			return 0, err
		}
		if first := archivingTo(info); first != 0 {
			return first, nil
		}
	}
	return 0, nil
}

// archivingTo is what the metadata of a stream says of a roll-over; 0: nothing.
func archivingTo(info *jetstream.StreamInfo) (first events.Position) {
	if info != nil {
		fmt.Sscan(info.Config.Metadata[archivingKey], &first)
	}
	return first
}

// RollOver makes the log begin with a later record than it does: it seals the
// stream (see Exclusive), copies what is to stay to another one, makes the stream anew from
// there and removes the other one. What is removed was found whole elsewhere
// before. From the beginning to the end nobody can write, and nobody can open
// the log (ErrArchiving), whatever interrupts it; called once more with the
// same positions, it goes on where it ended; with others, the error is
// ErrArchiving. Where there is nothing to do, it does nothing. It is called by
// one process at a time.
func RollOver(ctx context.Context, cfg Config, r Rollover) error {
	o, err := newRollover(cfg, r)
	if err != nil {
		return err
	}
	log, err := o.look(ctx, StreamName)
	if err != nil {
		return err
	}
	if first := archivingTo(log); first != 0 && first != r.At.Position {
		return fmt.Errorf("%w (it is to begin at position %d)", ErrArchiving, first)
	}
	if !o.begins(log) {
		if err := o.copyOut(ctx, log); err != nil {
			return fmt.Errorf("journal: roll-over: copy: %w", err)
		}
		if err := o.copyBack(ctx); err != nil {
			return fmt.Errorf("journal: roll-over: copy back: %w", err)
		}
	}
	if err := o.remove(ctx, NextName); err != nil {
		return fmt.Errorf("journal: roll-over: %w", err)
	}
	o.step("done")
	return nil
}

// rollover is one call of RollOver.
type rollover struct {
	Rollover
	cfg  Config
	js   jetstream.JetStream
	last events.Position // of the log
	end  events.Chain    // after it
}

func newRollover(cfg Config, r Rollover) (*rollover, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &rollover{Rollover: r, cfg: cfg, js: js}, nil
}

// step says what is done next. Whoever reads the log of a roll-over that was
// broken off knows from it where that was.
func (o *rollover) step(what string) {
	o.cfg.Logger.Info("roll-over of the log", "step", what, "first", o.At.Position)
}

// begins reports whether the log is open and begins where it is to.
func (o *rollover) begins(log *jetstream.StreamInfo) bool {
	return log != nil && archivingTo(log) == 0 && events.Position(log.Config.FirstSeq) == o.At.Position
}

// copyOut seals the log and makes the other stream a whole copy of it, which
// is sealed as well once it is known to be one.
func (o *rollover) copyOut(ctx context.Context, log *jetstream.StreamInfo) error {
	next, err := o.look(ctx, NextName)
	if err != nil {
		return err
	}
	if archivingTo(next) == o.At.Position && next.Config.Sealed {
		return o.read(ctx, NextName, events.Position(next.State.LastSeq))
	}
	if log == nil || log.Config.Mirror != nil {
		return errors.New("there is neither a log nor a whole copy of it")
	}
	if !o.Exclusive {
		if err := o.seal(ctx, log); err != nil {
			return err
		}
	}
	if err := o.read(ctx, StreamName, events.Position(log.State.LastSeq)); err != nil {
		return err
	}
	if err := o.mirror(ctx, NextName, StreamName); err != nil {
		return err
	}
	o.step("copied")
	return o.reach(ctx, NextName, func(info *jetstream.StreamInfo) bool {
		return info != nil && info.Config.Sealed && info.Config.Mirror == nil
	}, func(ctx context.Context) error {
		want := o.marked(NextName)
		want.Subjects, want.Sealed = []string{nextSubject}, true
		_, err := o.js.UpdateStream(ctx, want)
		return err
	})
}

// seal refuses all writes from now on, and completes log.
func (o *rollover) seal(ctx context.Context, log *jetstream.StreamInfo) error {
	o.step("seal")
	return o.reach(ctx, StreamName, func(info *jetstream.StreamInfo) bool {
		if info == nil || !info.Config.Sealed || archivingTo(info) != o.At.Position {
			return false
		}
		*log = *info
		return true
	}, func(ctx context.Context) error {
		want := log.Config
		want.Sealed, want.Metadata = true, o.marked("").Metadata
		_, err := o.js.UpdateStream(ctx, want)
		return err
	})
}

// copyBack makes the log anew from its copy.
func (o *rollover) copyBack(ctx context.Context) error {
	log, err := o.look(ctx, StreamName)
	if err != nil {
		return err
	}
	if log != nil && log.Config.Mirror == nil && events.Position(log.State.LastSeq) != o.last {
		return fmt.Errorf("the log ends at %d and its copy at %d", log.State.LastSeq, o.last)
	}
	if err := o.mirror(ctx, StreamName, NextName); err != nil {
		return err
	}
	if err := o.durable(ctx); err != nil {
		return err
	}
	o.step("open")
	return o.reach(ctx, StreamName, o.begins, func(ctx context.Context) error {
		want := streamConfig(o.cfg.Replicas)
		want.FirstSeq = firstSeq(o.At.Position)
		_, err := o.js.UpdateStream(ctx, want)
		return err
	})
}
