package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
)

const (
	// rereadPause lets a node that has just restarted catch up before its log
	// is called damaged.
	rereadPause = 250 * time.Millisecond
	// quiet is how long a bounded read waits for a record before it asks
	// whether there is any: longer than a consumer may be without a sign of
	// life, or one that is gone would be waited for for ever.
	quiet = 3 * heartbeat
)

// Tail gives fn every record after from, in order and verified, until ctx ends,
// whose cause it returns. A record is given as soon as it is durable. Tail
// continues by itself after a lost connection or a restart of the server.
//
// An error of fn ends Tail with that error. A *GapError or *DamageError comes
// after the same record failed again when read from a fresh consumer; it is
// final for this log as this server shows it. ErrUnavailable: the connection
// was closed for good. *ArchivedError: the next record is not in the log any
// more.
//
// Records that the server withholds at the end of the log cannot be noticed
// here: the reader must compare what it was given with Last.
func (j *Journal) Tail(ctx context.Context, from Cursor, fn func(*Record) error) error {
	return j.follow(ctx, &reading{j: j, v: NewVerifier(j.cfg.MACKey, from), fn: fn})
}

// Read gives fn the records after from up to and including position to, with
// the checks and errors of Tail, and returns nil when it has. A log that ends
// before to, or that lacks a record up to there, is a *GapError.
func (j *Journal) Read(ctx context.Context, from Cursor, to events.Position, fn func(*Record) error) error {
	if to <= from.Position {
		return nil
	}
	return j.follow(ctx, &reading{j: j, v: NewVerifier(j.cfg.MACKey, from), fn: fn, to: to})
}

// A reading is one call of Read or Tail.
type reading struct {
	j  *Journal
	v  *Verifier
	fn func(*Record) error
	to events.Position // 0: without end

	server string   // that the last pass read from, where there are several
	failed int      // passes that failed a check at this place
	avoid  []string // whose copies that were
}

var errDone = errors.New("read to the end")

// A stopError ends a reading with err: reading again would not change it.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// follow makes passes until the reading is over. A pass that fails the checks is
// repeated from the copies of the other servers, one after the other; where there
// is one copy, once. So a reading is not stopped by damage as long as one copy is
// whole, and goes back to the others after that place.
func (j *Journal) follow(ctx context.Context, r *reading) error {
	for pause := newPause(); ; {
		before := r.v.at.Position
		err := r.pass(ctx)
		if moved := r.v.at.Position > before; moved {
			r.failed, r.avoid = 0, nil
			pause.reset()
		}
		var stop *stopError
		switch {
		case err == errDone:
			return nil
		case errors.As(err, &stop):
			return stop.err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case j.cfg.Conn.IsClosed():
			return fmt.Errorf("%w: %w", ErrUnavailable, nats.ErrConnectionClosed)
		case isDamage(err):
			d := r.blame(err)
			j.log.Error("the log failed a check", "position", d.Position, "server", d.Server, "again", r.failed > 0, "err", err)
			if j.cfg.Damaged != nil {
				j.cfg.Damaged(d)
			}
			if r.failed++; r.failed >= j.copies() {
				return err
			}
			if r.server != "" {
				r.avoid = append(r.avoid, r.server)
			}
			pause.next = max(pause.next, rereadPause)
		default:
			j.log.Info("reading was interrupted", "position", r.v.at.Position, "err", err)
		}
		pause.wait(ctx)
	}
}

// copies is how often a place is read before the log counts as damaged there.
func (j *Journal) copies() int { return max(2, j.info.Load().Config.Replicas) }

func isDamage(err error) bool {
	var gap *GapError
	var damage *DamageError
	return errors.As(err, &gap) || errors.As(err, &damage)
}

// blame names in an error the server that has the copy.
func (r *reading) blame(err error) Damage {
	d := Damage{Position: r.v.at.Position + 1, Server: r.server}
	if d.Server == "" {
		d.Server = r.j.cfg.Conn.ConnectedServerName()
	}
	var gap *GapError
	var damage *DamageError
	switch {
	case errors.As(err, &gap):
		d.Position, gap.Server = gap.Want, d.Server
	case errors.As(err, &damage):
		d.Position, damage.Server = damage.Position, d.Server
	}
	return d
}

// pass reads from a fresh consumer until something ends it.
func (r *reading) pass(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer r.j.onReconnect(func() { cancel(errReconnected) })()

	r.server = ""
	if err := r.checkEnds(ctx); err != nil {
		return err
	}
	src, err := r.j.open(ctx, r.v.at.Position+1, r.to, place{near: r.to == 0, avoid: r.avoid})
	if err != nil {
		return err
	}
	defer src.close()
	r.server = serverOf(src.consumer)
	for r.to == 0 || r.v.at.Position < r.to {
		msg, err := r.receive(ctx, src)
		if err != nil {
			return err
		}
		record, err := r.verify(msg)
		if err != nil {
			return err
		}
		r.j.reached(record.Position)
		if err := r.fn(record); err != nil {
			return &stopError{err}
		}
	}
	return errDone
}

// verify checks what was received. A page that cannot be read is what its
// writer wrote: reading it again does not help.
func (r *reading) verify(msg jetstream.Msg) (*Record, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, err
	}
	record, err := r.v.Next(Message{
		Position: events.Position(meta.Sequence.Stream), Subject: msg.Subject(),
		MAC: msg.Headers().Get(macHeader), Payload: msg.Data(), Time: meta.Timestamp.UTC(),
	})
	if err != nil && !isDamage(err) {
		err = &stopError{err}
	}
	return record, err
}

// checkEnds compares where the log begins and ends with what was read and is to
// be read.
func (r *reading) checkEnds(ctx context.Context) error {
	last, err := r.j.Last(ctx)
	if err != nil {
		return err
	}
	if first := r.j.First(); r.v.at.Position+1 < first {
		return &stopError{&ArchivedError{First: first}}
	}
	if last < r.v.at.Position || last < r.to {
		if cluster := r.j.info.Load().Cluster; cluster != nil {
			r.server = cluster.Leader // it answered
		}
		return &GapError{Want: max(r.v.at.Position, r.to), Got: last}
	}
	return nil
}

// receive waits for a message. A bounded reading knows that its next record
// exists, so that it does not wait for ever for one that the server lost.
func (r *reading) receive(ctx context.Context, src *source) (jetstream.Msg, error) {
	if r.to == 0 {
		return src.next(ctx)
	}
	for {
		short, cancel := context.WithTimeout(ctx, quiet)
		msg, err := src.next(short)
		cancel()
		if err == nil || short.Err() == nil || ctx.Err() != nil {
			return msg, err
		}
		more, err := src.pending(ctx)
		if err != nil {
			return nil, err
		}
		if !more {
			return nil, &GapError{Want: r.v.at.Position + 1}
		}
	}
}
