package replay

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// patience bounds what a healthy machine does in milliseconds.
const patience = 30 * time.Second

// wide is a log of organizations whose times go back and forth, and a history
// of it.
func wide(t *testing.T, records int) (*writer, *follow.History) {
	w := newWriter(t)
	dir := t.TempDir()
	f, err := follow.Start(t.Context(), follow.Config{Journal: w.Journal, Single: true, Dir: dir, Key: journaltest.MACKey(), HistoryBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range records {
		after := time.Duration(i)*time.Second + time.Duration(random.IntN(5000))*time.Millisecond
		w.at(after, &events.ScopesSet{ID: "acme", Scopes: []events.Scope{{Name: fmt.Sprint(i)}}})
		if err := f.WaitFor(ctx, events.Position(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
	mislabel(t, dir)
	h, err := follow.ReadHistory(dir, journaltest.MACKey(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return w, h
}

// mislabel adds a state that is said to be of a later time than it is.
func mislabel(t *testing.T, dir string) {
	names, err := filepath.Glob(filepath.Join(dir, "history", "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no history: %v", err)
	}
	oldest, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	liar := fmt.Sprintf("%020d-%020d-%020d-1.past", 2, time.Now().UnixMicro(), 0)
	if err := os.WriteFile(filepath.Join(dir, "history", liar), oldest, 0o600); err != nil {
		t.Fatal(err)
	}
}

// From wherever a history lets it begin, a moment shows the same state and holds
// as long.
func TestNearIsAt(t *testing.T) {
	const records = 60
	w, h := wide(t, records)
	check := func(m Moment) {
		t.Helper()
		want, err := At(t.Context(), w.Journal, projections.New(), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		got, err := Near(t.Context(), counting{w.Journal, &read}, h, m, nil)
		if err != nil || got.State.Hash() != want.State.Hash() || got.State.Position != want.State.Position || !got.Until.Equal(want.Until) {
			t.Errorf("%+v: position %d until %v, want %d until %v: %v", m, got.State.Position, got.Until, want.State.Position, want.Until, err)
		}
		if want.State.Position > records/2 && read > int(want.State.Position) {
			t.Errorf("%+v: read %d records", m, read)
		}
	}
	for position := events.Position(1); position <= records; position++ {
		check(Moment{Position: position})
	}
	for after := -time.Second; after < (records+10)*time.Second; after += 1700 * time.Millisecond {
		check(Moment{Time: epoch.Add(after)})
	}
	check(Moment{})
	check(Moment{Position: 40, Time: epoch.Add(20 * time.Second)})
}

// counting counts the records that are read.
type counting struct {
	*journal.Journal
	n *int
}

func (c counting) Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error {
	return c.Journal.Read(ctx, from, to, func(r *journal.Record) error {
		*c.n++
		return fn(r)
	})
}
