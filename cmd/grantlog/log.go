package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
)

// purposeMAC derives the key that authenticates the records of the log. It
// never changes: a log can only be read with the key it was written with.
const purposeMAC = "record mac"

// closeTimeout is how long a journal may take to settle its last appends.
const closeTimeout = 5 * time.Second

// openJournal opens the log of a site, and makes it if it is missing, unless it
// is to wait for one. replica is the id of this writer.
func (s *site) openJournal(ctx context.Context, replica string, copies int, log *slog.Logger) (*journal.Journal, error) {
	return journal.Open(ctx, journal.Config{
		Conn: s.Conn, MACKey: s.Master.Derive(purposeMAC), Replica: replica, Replicas: copies, Existing: s.awaits, Logger: log,
		AckTimeout: s.patience, Observe: s.observe, Damaged: s.damaged,
	})
}

// reading is a log that is open to be read.
type reading struct {
	*site
	journal *journal.Journal
	origin  *replay.Based // nil: the log begins with its first record
	copies  int
	log     *slog.Logger
}

func openReading(ctx context.Context, c *placeSettings, g *general, p process) (*reading, error) {
	if err := c.check(); err != nil {
		return nil, &usageError{err}
	}
	log := newLogger(p.Stderr, g.LogLevel, g.LogFormat)
	s, err := openToRead(ctx, c, log)
	if err != nil {
		return nil, err
	}
	return readSite(ctx, s, log)
}

// readSite opens the log of a site, which the reading closes then.
func readSite(ctx context.Context, s *site, log *slog.Logger) (r *reading, err error) {
	r = &reading{site: s, log: log}
	if r.copies, err = copiesOf(ctx, s); err == nil {
		r.journal, err = s.openJournal(ctx, events.NewID("r_"), r.copies, log)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := r.begin(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// begin finds what the log begins with, and makes sure that it does.
func (r *reading) begin(ctx context.Context) error {
	first := r.journal.First()
	if first <= 1 {
		return nil
	}
	base, err := r.openBase(ctx, first)
	if err != nil {
		return err
	}
	r.origin = replay.NewBased(base)
	err = replay.Continued(ctx, r.records())
	var damage *journal.DamageError
	if errors.As(err, &damage) {
		err = fmt.Errorf("%w: position %d does not continue the one that there is: %w", follow.ErrNoBase, damage.Position, err)
	}
	return err
}

// records are those of the log, with what it begins with.
func (r *reading) records() replay.Log {
	if r.origin == nil {
		return r.journal
	}
	return replay.From(r.journal, r.origin)
}

// erasable opens what stands beside the log; nil if nothing does.
func (r *reading) erasable(ctx context.Context) (*erasable.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	store, err := erasable.Open(ctx, erasable.Config{Conn: r.Conn, Replicas: r.copies, Logger: r.log, Existing: true})
	if errors.Is(err, erasable.ErrNotFound) {
		return nil, nil
	}
	return store, err
}

// Close gives back what is held.
func (r *reading) Close() error {
	var err error
	if r.origin != nil {
		err = r.origin.Close()
	}
	return errors.Join(err, closeJournal(r.journal), r.site.Close())
}

// copiesOf returns how many copies the existing log has. Without it, reading
// from the wrong place would make an empty log there.
func copiesOf(ctx context.Context, s *site) (int, error) {
	js, err := jetstream.New(s.Conn)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, journal.StreamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		// Archiving may have been broken off, which is no log to open either.
		if next, elsewhere := js.Stream(ctx, journal.NextName); elsewhere == nil {
			stream, err = next, nil
		}
	}
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, &usageError{errors.New("there is no log there")}
	case err != nil:
		return 0, fmt.Errorf("the log does not answer: %w", err)
	}
	return stream.CachedInfo().Config.Replicas, nil
}

func closeJournal(j *journal.Journal) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return j.Close(ctx)
}

// openBase opens the base of the log, which begins at first.
func (s *site) openBase(ctx context.Context, first events.Position) (*follow.Base, error) {
	return follow.OpenBase(ctx, s.Conn, s.Master.Derive(follow.KeyPurpose), first)
}
