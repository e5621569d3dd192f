package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// refusal returns at which position reading stopped, and why.
func refusal(t *testing.T, read func(fn func(*journal.Record) error) error) (events.Position, error) {
	t.Helper()
	var last events.Position
	err := read(func(r *journal.Record) error {
		if r.Position != last+1 {
			t.Errorf("position %d after %d", r.Position, last)
		}
		last = r.Position
		return nil
	})
	return last, err
}

// A bit that changed on the server's disk ends reading before its record, and
// never skips it.
func TestReadStopsAtADamagedRecord(t *testing.T) {
	const pages = 40
	for _, damaged := range []events.Position{1, 20, pages} {
		t.Run(fmt.Sprint(damaged), func(t *testing.T) {
			env := journaltest.New(t)
			j := env.Open()
			for i := range pages {
				mustAppend(t, j, events.BeaconsSubject(), beacon(fmt.Sprint(i)))
			}
			env.Stop()
			env.FlipBit(damaged)
			env.Start()

			last, err := refusal(t, func(fn func(*journal.Record) error) error {
				return j.Read(t.Context(), journal.Cursor{}, pages, fn)
			})
			var gap *journal.GapError
			var damage *journal.DamageError
			if last != damaged-1 || !errors.As(err, &gap) && !errors.As(err, &damage) {
				t.Errorf("read up to %d and ended with %v", last, err)
			}
			t.Log(err)
			if damaged == pages {
				return // A tail cannot tell this from the end of the log; Last can.
			}
			last, err = refusal(t, func(fn func(*journal.Record) error) error {
				return j.Tail(t.Context(), journal.Cursor{}, fn)
			})
			if last != damaged-1 || !errors.As(err, &gap) && !errors.As(err, &damage) {
				t.Errorf("tailed up to %d and ended with %v", last, err)
			}
		})
	}
}

func TestTailRefusesALogThatWasWrittenByOthers(t *testing.T) {
	env := journaltest.New(t)
	j := env.Open()
	mustAppend(t, j, events.BeaconsSubject(), beacon("1"))
	mustAppend(t, j, events.BeaconsSubject(), beacon("2"))

	// By someone with another key,
	other := env.Open(func(c *journal.Config) { c.MACKey = bytes.Repeat([]byte{8}, 32) })
	wantDamage(t, other, 1, "the MAC")

	// by someone without a key,
	publish(t, env, &nats.Msg{Subject: events.BeaconsSubject(), Data: []byte(`{}`)})
	wantDamage(t, j, 3, "the MAC")
}

func TestTailRefusesALogThatContradictsItself(t *testing.T) {
	origin := journaltest.New(t)
	appendSeen(t, origin.Open(), 6)
	for _, c := range []struct {
		name    string
		order   []events.Position // of the original's records
		damaged events.Position
		reason  string
	}{
		{"whole", []events.Position{1, 2, 3, 4, 5, 6}, 0, ""},
		{"reordered", []events.Position{1, 2, 4, 3, 5, 6}, 3, "not before its page"},
		{"first two swapped", []events.Position{2, 1, 3, 4, 5, 6}, 1, "not before its page"},
		{"one dropped", []events.Position{1, 2, 4, 5, 6}, 3, "not before its page"},
		{"one repeated", []events.Position{1, 2, 3, 3, 4, 5, 6}, 6, "another log"},
		{"one replaced by an older one", []events.Position{1, 2, 2, 4, 5, 6}, 4, "another log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			forged := journaltest.New(t)
			reader := forged.Open()
			for _, pos := range c.order {
				publish(t, forged, original(t, origin, pos))
			}
			if c.damaged == 0 {
				tail(t, reader, journal.Cursor{}, events.Position(len(c.order)))
				return
			}
			wantDamage(t, reader, c.damaged, c.reason)
		})
	}
}

// A listener that knows a position only is given what follows it; chains are
// not compared then, MACs are.
func TestReadFromAPositionWithoutItsChain(t *testing.T) {
	env := journaltest.New(t)
	j := env.Open()
	appendSeen(t, j, 6)
	from := journal.Cursor{Position: 3}
	if got := len(tail(t, j, from, 6)); got != 3 {
		t.Errorf("%d records after 3 of 6", got)
	}
	publish(t, env, &nats.Msg{Subject: events.BeaconsSubject(), Data: []byte(`{}`)})
	err := j.Tail(t.Context(), from, func(*journal.Record) error { return nil })
	var damage *journal.DamageError
	if !errors.As(err, &damage) || damage.Position != 7 {
		t.Errorf("forged record: %v", err)
	}
}

// A log that ends before what a reader has already applied was shortened.
func TestReadRefusesAShortenedLog(t *testing.T) {
	j := journaltest.New(t).Open()
	mustAppend(t, j, events.BeaconsSubject(), beacon("1"))
	applied := journal.Cursor{Position: 2, Chain: events.Chain{1}}
	ignore := func(*journal.Record) error { return nil }
	for name, err := range map[string]error{
		"tail from behind the end": j.Tail(t.Context(), applied, ignore),
		"read from behind the end": j.Read(t.Context(), applied, 3, ignore),
		"read past the end":        j.Read(t.Context(), journal.Cursor{}, 2, ignore),
	} {
		var gap *journal.GapError
		if !errors.As(err, &gap) || gap.Got != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// appendSeen appends n pages, each by a writer that had read all before.
func appendSeen(t *testing.T, j *journal.Journal, n int) {
	t.Helper()
	var at journal.Cursor
	j.SetSeen(func() events.Seen { return events.Seen(at) })
	for i := range n {
		mustAppend(t, j, events.BeaconsSubject(), beacon(fmt.Sprint(i)))
		if err := j.Read(t.Context(), at, at.Position+1, func(r *journal.Record) error {
			at = r.Cursor()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func wantDamage(t *testing.T, j *journal.Journal, at events.Position, reason string) {
	t.Helper()
	last, err := refusal(t, func(fn func(*journal.Record) error) error {
		return j.Tail(t.Context(), journal.Cursor{}, fn)
	})
	var damage *journal.DamageError
	if !errors.As(err, &damage) || damage.Position != at || last != at-1 || !strings.Contains(damage.Reason, reason) {
		t.Errorf("read up to %d and ended with %v, want damage at %d: %s", last, err, at, reason)
	}
}

// original returns the message of a record as it is stored.
func original(t *testing.T, env *journaltest.Env, pos events.Position) *nats.Msg {
	t.Helper()
	js, err := jetstream.New(env.Conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), journal.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := stream.GetMsg(t.Context(), uint64(pos))
	if err != nil {
		t.Fatal(err)
	}
	raw.Header.Del(jetstream.MsgIDHeader) // or the stream would refuse a repetition
	return &nats.Msg{Subject: raw.Subject, Header: raw.Header, Data: raw.Data}
}

func publish(t *testing.T, env *journaltest.Env, msg *nats.Msg) {
	t.Helper()
	js, err := jetstream.New(env.Conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}
