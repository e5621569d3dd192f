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
)

// purposeMAC derives the key that authenticates the records of the log. It
// never changes: a log can only be read with the key it was written with.
const purposeMAC = "record mac"

// closeTimeout is how long a journal may take to settle its last appends.
const closeTimeout = 5 * time.Second

// openJournal opens the log of a site, and makes it if it is missing. replica
// is the id of this writer.
func openJournal(ctx context.Context, s *site, replica string, copies int, log *slog.Logger) (*journal.Journal, error) {
	return journal.Open(ctx, journal.Config{
		Conn: s.Conn, MACKey: s.Master.Derive(purposeMAC), Replica: replica, Replicas: copies, Logger: log,
		Observe: s.observe, Damaged: s.damaged,
	})
}

// openLog opens a log to read it. done gives back what it holds.
func openLog(ctx context.Context, c *logSettings, g *general, p process) (j *journal.Journal, done func() error, err error) {
	r, err := openReading(ctx, c, g, p)
	if err != nil {
		return nil, nil, err
	}
	return r.journal, r.Close, nil
}

// reading is a log that is open to be read.
type reading struct {
	*site
	journal *journal.Journal
	copies  int
	log     *slog.Logger
}

func openReading(ctx context.Context, c *logSettings, g *general, p process) (*reading, error) {
	if err := c.check(); err != nil {
		return nil, &usageError{err}
	}
	log := newLogger(p.Stderr, g.LogLevel, g.LogFormat)
	s, err := openToRead(c, log)
	if err != nil {
		return nil, err
	}
	r := &reading{site: s, log: log}
	if r.copies, err = copiesOf(ctx, s); err == nil {
		r.journal, err = openJournal(ctx, s, events.NewID("r_"), r.copies, log)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return r, nil
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
func (r *reading) Close() error { return errors.Join(closeJournal(r.journal), r.site.Close()) }

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
