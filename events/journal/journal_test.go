package journal_test

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

func TestMain(m *testing.M) {
	// Process-wide services of nats-server, which have no end.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.init.0.func1"),
	)
}

func issued() *events.Event {
	now := time.Now().UTC().Truncate(time.Microsecond)
	d := &events.TokenIssued{
		ID:          events.NewTokenID(),
		Application: "a_0123456789abcdef",
		Secret:      1,
		Grant:       "client_credentials",
		Scope:       "read:customers write:customers",
		Key:         "k_0123456789abcdef",
		IssuedAt:    now.Unix(),
		ExpiresAt:   now.Unix() + 3600,
	}
	return event(d)
}

func beacon(nonce string) *events.Event { return event(&events.BeaconSent{Nonce: nonce}) }

func event(d events.Data) *events.Event {
	return &events.Event{
		ID: events.NewID("e_"), Type: d.EventType(), Version: 1, Time: time.Now().UTC().Truncate(time.Microsecond),
		Organization: "acme", Actor: events.Actor{Application: "a_0123456789abcdef"}, Correlation: events.NewID("q_"), Data: d,
	}
}

// A page is what a test keeps of a record.
type page struct {
	Position events.Position
	Subject  string
	Commit   string
	Nonces   []string // of beacons
	Events   int
	Bytes    int
}

func keep(t testing.TB, r *journal.Record) page {
	t.Helper()
	p := page{Position: r.Position, Subject: r.Subject, Commit: string([]byte(r.Header.Commit)), Bytes: len(r.Payload)}
	for e, err := range r.Events() {
		if err != nil {
			t.Fatalf("page %d: %v", r.Position, err)
		}
		p.Events++
		if b, ok := e.Data.(*events.BeaconSent); ok {
			p.Nonces = append(p.Nonces, b.Nonce)
		}
	}
	return p
}

// readAll reads the whole log with the journal's own checks.
func readAll(t testing.TB, j *journal.Journal) []page {
	t.Helper()
	last := lastOf(t, j)
	var pages []page
	err := j.Read(t.Context(), journal.Cursor{}, last, func(r *journal.Record) error {
		pages = append(pages, keep(t, r))
		return nil
	})
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if len(pages) != int(last) {
		t.Fatalf("read %d pages of %d", len(pages), last)
	}
	return pages
}

// lastOf asks for the end of the log, again if the connection is just being
// made anew.
func lastOf(t testing.TB, j *journal.Journal) events.Position {
	t.Helper()
	for {
		last, err := j.Last(t.Context())
		if err == nil {
			return last
		}
		if !errors.Is(err, journal.ErrUnavailable) || t.Context().Err() != nil {
			t.Fatalf("last: %v", err)
		}
	}
}

// mustAppend may be called by any goroutine: it does not end the test.
func mustAppend(t testing.TB, j *journal.Journal, subject string, evs ...*events.Event) events.Position {
	t.Helper()
	pos, err := j.Append(t.Context(), subject, evs...)
	if err != nil {
		t.Errorf("append: %v", err)
	}
	return pos
}

// tail collects pages until it has those up to want.
func tail(t testing.TB, j *journal.Journal, from journal.Cursor, want events.Position) []page {
	t.Helper()
	var pages []page
	enough := errors.New("enough")
	err := j.Tail(t.Context(), from, func(r *journal.Record) error {
		pages = append(pages, keep(t, r))
		if r.Position == want {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("tail: %v", err)
	}
	return pages
}
