package journal_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

func TestTailGivesWhatReadGives(t *testing.T) {
	j := journaltest.New(t).Open()
	for i := range 20 {
		mustAppend(t, j, events.BeaconsSubject(), beacon(fmt.Sprint(i)))
		mustAppend(t, j, events.TokensSubject(), issued(), issued())
	}
	all := readAll(t, j)
	if diff := cmp.Diff(all, tail(t, j, journal.Cursor{}, 40)); diff != "" {
		t.Errorf("tail from the start (-read +tail):\n%s", diff)
	}

	// From any cursor, both continue with the same chain.
	cursors := []journal.Cursor{{}}
	collect := func(r *journal.Record) error {
		cursors = append(cursors, r.Cursor())
		return nil
	}
	if err := j.Read(t.Context(), journal.Cursor{}, 40, collect); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{1, 17, 39} {
		if diff := cmp.Diff(all[at:], tail(t, j, cursors[at], 40)); diff != "" {
			t.Errorf("tail from %d (-read +tail):\n%s", at, diff)
		}
		from := cursors[at]
		if err := j.Read(t.Context(), from, 40, func(r *journal.Record) error {
			if r.Cursor() != cursors[r.Position] {
				t.Errorf("chain of %d read from %d differs", r.Position, at)
			}
			return nil
		}); err != nil {
			t.Errorf("read from %d: %v", at, err)
		}
	}
}

func TestRecordSaysWhatWasWritten(t *testing.T) {
	j := journaltest.New(t).Open(func(c *journal.Config) { c.Replica = "r_writer" })
	var at journal.Cursor
	j.SetSeen(func() events.Seen { return events.Seen(at) })
	read := func(r *journal.Record) error {
		at = r.Cursor()
		return nil
	}
	mustAppend(t, j, events.BeaconsSubject(), beacon("1"))
	if err := j.Read(t.Context(), journal.Cursor{}, 1, read); err != nil {
		t.Fatal(err)
	}
	seen := events.Seen(at)
	want := beacon("2")
	mustAppend(t, j, events.BeaconsSubject(), want)
	err := j.Read(t.Context(), at, 2, func(r *journal.Record) error {
		if r.Header.Replica != "r_writer" || r.Header.Seen != seen || r.Time.IsZero() || r.Bytes <= len(r.Payload) {
			t.Errorf("record %+v", r)
		}
		want.Actor.Replica = "r_writer"
		for e, err := range r.Events() {
			if err != nil {
				return err
			}
			if diff := cmp.Diff(want, e); diff != "" {
				t.Errorf("event (-appended +read):\n%s", diff)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTailEndsWithItsContextOrItsFunction(t *testing.T) {
	j := journaltest.New(t).Open()
	mustAppend(t, j, events.BeaconsSubject(), beacon("1"))
	ctx, cancel := context.WithCancelCause(t.Context())
	reason, refusal := errors.New("reason"), errors.New("refusal")
	err := j.Tail(ctx, journal.Cursor{}, func(*journal.Record) error {
		cancel(reason)
		return nil
	})
	if !errors.Is(err, reason) {
		t.Errorf("context ended: %v", err)
	}
	if err := j.Read(ctx, journal.Cursor{}, 1, nil); !errors.Is(err, reason) {
		t.Errorf("read with an ended context: %v", err)
	}
	if err := j.Tail(t.Context(), journal.Cursor{}, func(*journal.Record) error { return refusal }); !errors.Is(err, refusal) {
		t.Errorf("function failed: %v", err)
	}
	if err := j.Read(t.Context(), journal.Cursor{Position: 1}, 1, nil); err != nil {
		t.Errorf("read of nothing: %v", err)
	}
}

// A tail loses and repeats nothing when its connection is cut or the server
// restarts while pages are written.
func TestTailContinuesAfterInterruptions(t *testing.T) {
	const pages = 300
	env := journaltest.New(t)
	conn := env.Connect()
	j, reader := env.Open(), env.Open(func(c *journal.Config) { c.Conn = conn })
	var read atomic.Int64
	done := make(chan error, 1)
	go func() {
		enough := errors.New("enough")
		err := reader.Tail(t.Context(), journal.Cursor{}, func(r *journal.Record) error {
			if want := events.Position(read.Add(1)); r.Position != want {
				return fmt.Errorf("position %d, want %d", r.Position, want)
			}
			if r.Position == pages {
				return enough
			}
			return nil
		})
		if errors.Is(err, enough) {
			err = nil
		}
		done <- err
	}()
	for i := range pages {
		mustAppend(t, j, events.BeaconsSubject(), beacon(fmt.Sprint(i)))
		switch i {
		case 50, 150, 250:
			env.Drop()
		case 100, 200:
			env.Restart()
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTailOfAClosedConnection(t *testing.T) {
	env := journaltest.New(t)
	conn := env.Connect()
	j := env.Open(func(c *journal.Config) { c.Conn = conn })
	mustAppend(t, j, events.BeaconsSubject(), beacon("1"))
	err := j.Tail(t.Context(), journal.Cursor{}, func(*journal.Record) error {
		conn.Close()
		return nil
	})
	if !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("connection closed: %v", err)
	}
	if _, err := j.Append(t.Context(), events.BeaconsSubject(), beacon("2")); !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("append: %v", err)
	}
}
