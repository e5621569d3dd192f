package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// appenders is how many issuances are on their way at once while the log is
// built: what decides how many share a page.
const appenders = 512

// replayLog: a log of issuances from the disk into a state, and what of that
// time the mere reading takes.
func replayLog(ctx context.Context, r *run) (result, error) {
	l, err := r.writtenLog(ctx)
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(l.dir)
	var raw, checked, folded []cost
	for round := range r.Rounds {
		for _, step := range []struct {
			read func(context.Context, *nats.Conn, *journal.Journal) error
			cost *[]cost
		}{{l.readRaw, &raw}, {l.readChecked, &checked}, {l.fold, &folded}} {
			c, err := l.time(ctx, step.read)
			if err != nil {
				return result{}, err
			}
			*step.cost = append(*step.cost, c)
		}
		r.progress("replay: round %d of %d: %v, raw read %v", round+1, r.Rounds, folded[round].took, raw[round].took)
	}
	seconds := func(c *cost) float64 { return c.took.Seconds() }
	whole := median(folded, seconds)
	return result{Figures: []figure{
		{fmt.Sprintf("to fold %d issuances", r.Issuances), whole, "s"},
		{"CPU time of that, server and collector included", median(folded, func(c *cost) float64 { return c.cpu.Seconds() }), "s"},
		{"issuances folded in a second", float64(r.Issuances) / whole, ""},
		{"share of an ordered read of the stream", 100 * median(raw, seconds) / whole, "%"},
		{"share of that read with all checks", 100 * median(checked, seconds) / whole, "%"},
		{"issuances in a page", float64(r.Issuances) / float64(l.pages), ""},
		{"of log for an issuance", float64(l.bytes) / float64(r.Issuances), "B"},
	}}, nil
}

// logOnDisk is a log that is written once and read several times, by a server
// that was just started.
type logOnDisk struct {
	*run
	dir   string
	key   []byte
	last  events.Position
	pages int64
	bytes int64
}

// writtenLog writes a log of issuances. Whoever calls removes its directory.
func (r *run) writtenLog(ctx context.Context) (*logOnDisk, error) {
	dir, err := r.dataDir()
	if err != nil {
		return nil, err
	}
	l := &logOnDisk{run: r, dir: dir, key: make([]byte, 32)}
	rand.Read(l.key)
	if err := l.open(ctx, l.build); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return l, nil
}

// open starts a server and a journal on the log for as long as use runs.
func (l *logOnDisk) open(ctx context.Context, use func(context.Context, *nats.Conn, *journal.Journal) error) error {
	conn, stop, err := l.StartNATS(l.dir)
	if err != nil {
		return err
	}
	defer stop()
	defer conn.Close()
	var pages, bytes atomic.Int64
	j, err := journal.Open(ctx, journal.Config{
		Conn: conn, MACKey: l.key, Replica: "r_bench",
		Observe: func(c journal.Commit) {
			pages.Add(1)
			bytes.Add(int64(c.Bytes))
		},
	})
	if err != nil {
		return err
	}
	if err := use(ctx, conn, j); err != nil {
		return err
	}
	l.pages, l.bytes = l.pages+pages.Load(), l.bytes+bytes.Load()
	return j.Close(ctx)
}

// cost is what a read took of the clock and of the processors.
type cost struct {
	took time.Duration
	cpu  time.Duration // 0 where it cannot be told
}

// time measures a read on a server of its own.
func (l *logOnDisk) time(ctx context.Context, read func(context.Context, *nats.Conn, *journal.Journal) error) (c cost, err error) {
	err = l.open(ctx, func(ctx context.Context, conn *nats.Conn, j *journal.Journal) error {
		cpu, _ := cpuTime(os.Getpid())
		began := time.Now()
		err := read(ctx, conn, j)
		c.took = time.Since(began)
		after, _ := cpuTime(os.Getpid())
		c.cpu = after - cpu
		return err
	})
	return c, err
}

// build writes the log as a busy server does: many callers, one issuance each.
func (l *logOnDisk) build(ctx context.Context, _ *nats.Conn, j *journal.Journal) error {
	l.progress("writing %d issuances", l.Issuances)
	subject := events.ApplicationSubject(organization, applicationID)
	if _, err := j.Append(ctx, subject, envelope(time.Now(), application())); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range appenders {
		wg.Go(func() {
			for next.Add(1) <= int64(l.Issuances) {
				now := time.Now()
				if _, err := j.Append(ctx, events.TokensSubject(), envelope(now, issuance(now))); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	var err error
	l.last, err = j.Last(ctx)
	return err
}

// readRaw reads the stream in order and looks at nothing.
func (l *logOnDisk) readRaw(ctx context.Context, conn *nats.Conn, _ *journal.Journal) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	consumer, err := js.OrderedConsumer(ctx, journal.StreamName, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxBytes(16 << 20))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for range l.last {
		if _, err := messages.Next(jetstream.NextContext(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// readChecked reads the stream as every reader does.
func (l *logOnDisk) readChecked(ctx context.Context, _ *nats.Conn, j *journal.Journal) error {
	return j.Read(ctx, journal.Cursor{}, l.last, func(*journal.Record) error { return nil })
}

// fold is what a replica does when it starts without a snapshot.
func (l *logOnDisk) fold(ctx context.Context, _ *nats.Conn, j *journal.Journal) (err error) {
	f, err := follow.Start(ctx, follow.Config{Journal: j, Single: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(ctx)) }()
	if err := f.WaitReady(ctx); err != nil {
		return err
	}
	f.View(func(s *projections.State) {
		if n := s.Tokens.Len(); n != l.Issuances {
			err = fmt.Errorf("the state holds %d tokens of %d", n, l.Issuances)
		}
	})
	return err
}
