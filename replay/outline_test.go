package replay

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// mixed is a log of several histories, one after the other, of everything that
// begins and ends tokens, and the ids of its tokens: they come again, and times
// go back.
func mixed(t *testing.T) (w *writer, ids map[events.TokenID]events.TokenDigest) {
	t.Helper()
	w, ids = newWriter(t), map[events.TokenID]events.TokenDigest{}
	histories := rapid.Custom(draw)
	for seed := range 5 {
		for _, r := range histories.Example(seed).records {
			for _, e := range r.Events {
				if d, ok := e.Data.(*events.TokenIssued); ok {
					ids[d.ID] = d.Digest
				}
			}
			evs := make([]*events.Event, len(r.Events))
			for i := range r.Events {
				evs[i] = &r.Events[i]
			}
			if _, err := w.Append(t.Context(), r.Subject, evs...); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w, ids
}

// kept is a history to which a folding of the whole log has added what it
// passed.
func kept(t *testing.T, w *writer) (h *follow.History, dir string) {
	t.Helper()
	dir = t.TempDir()
	f, err := follow.Start(t.Context(), follow.Config{
		Journal: journaltest.New(t).Open(), Single: true, Dir: dir, Key: journaltest.MACKey(), HistoryBytes: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
	h = f.History()
	state := projections.New()
	if _, err := At(t.Context(), h.Keeping(w, state), state, Moment{}, nil); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "history", "*"))
	if err != nil || len(files) < 5 {
		t.Fatalf("too few states are kept: %v, %v", files, err)
	}
	return h, dir
}

func someMoments(t *testing.T, w *writer) (moments []Moment) {
	t.Helper()
	last, err := w.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		moments = append(moments, Moment{Position: 1 + events.Position(random.IntN(int(last)))})
	}
	for range 30 {
		moments = append(moments, Moment{Time: epoch.Add(time.Duration(random.Int64N(int64(90 * time.Minute))))})
	}
	return append(moments, Moment{Position: last}, Moment{Time: epoch.Add(-1)}, Moment{Time: epoch.Add(24 * time.Hour)})
}

// What an outline tells, of tokens and of all else, is what the whole state does
// that the log alone gives.
func TestOutlinesTellWhatTheLogDoes(t *testing.T) {
	w, ids := mixed(t)
	h, _ := kept(t, w)
	unsure := 0
	for _, m := range someMoments(t, w) {
		whole, err := At(t.Context(), w, projections.New(), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		near, err := Near(t.Context(), w, h, m, nil)
		if err != nil || near.State.Hash() != whole.State.Hash() || !near.Until.Equal(whole.Until) {
			t.Errorf("%+v: another state from what is kept: %v", m, err)
		}
		outline, err := NearOutline(t.Context(), w, h, m)
		if err != nil || outline.State.Position != whole.State.Position || !outline.Until.Equal(whole.Until) || outline.State.Chain != whole.State.Chain {
			t.Fatalf("%+v: %d, want %d: %v", m, outline.State.Position, whole.State.Position, err)
		}
		if !outline.State.IsOutline() {
			t.Fatalf("%+v: all tokens were read", m)
		}
		unsure += compareTokens(t, m, outline, whole, ids)
		for _, id := range []string{"a1", "a2", "a3"} {
			want, _ := whole.State.Applications.Get(id)
			got, _ := outline.State.Applications.Get(id)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v: %s", m, diff)
			}
		}
	}
	if unsure > 0 {
		t.Logf("%d tokens are told by the whole state only", unsure)
	}
}

func compareTokens(t *testing.T, m Moment, outline Outline, whole Past, ids map[events.TokenID]events.TokenDigest) (unsure int) {
	t.Helper()
	clock := m.Clock(whole.State)
	for id := range ids {
		got, found, err := outline.Token(t.Context(), id)
		if err == ErrUnsure {
			unsure++
			continue
		}
		want, ok := whole.State.Token(id)
		if err != nil || found != ok || got != want {
			t.Errorf("%+v: token %v is %+v, want %+v: %v", m, id, got, want, err)
		}
		if live := outline.State.Liveness(got, clock); found && live != whole.State.Liveness(want, clock) {
			t.Errorf("%+v: token %v is %v", m, id, live)
		}
	}
	return unsure
}

// A log whose beginning was archived tells the same from what is kept of it,
// some of which stands before its beginning.
func TestOutlinesOfALogWithoutItsBeginning(t *testing.T) {
	w, ids := mixed(t)
	h, _ := kept(t, w)
	last, err := w.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := last / 2
	later := archived(t, w, first)
	told := 0
	for position := first; position <= last; position += 3 {
		m := Moment{Position: position}
		outline, err := NearOutline(t.Context(), later, h, m)
		if errors.Is(err, ErrFar) {
			continue // nothing is kept from behind the beginning
		}
		whole, atErr := At(t.Context(), w, projections.New(), m, nil)
		if err != nil || atErr != nil || outline.State.Position != position {
			t.Fatalf("%d: %v, %v", position, err, atErr)
		}
		compareTokens(t, m, outline, whole, ids)
		told++
		for _, replica := range []string{"r_test", "r_none"} {
			want, wantErr := AppliedBy(t.Context(), later, nil, m, replica)
			if got, err := AppliedBy(t.Context(), later, h, m, replica); err != nil || wantErr != nil || got != want {
				t.Errorf("%s had applied %d at %d, want %d: %v, %v", replica, got, position, want, err, wantErr)
			}
		}
	}
	if told == 0 {
		t.Error("nothing was told from what is kept")
	}
	for what, err := range map[string]error{
		"outline": func() error { _, err := NearOutline(t.Context(), later, h, Moment{Position: first - 1}); return err }(),
		"applied": func() error { _, err := AppliedBy(t.Context(), later, h, Moment{Time: epoch.Add(-1)}, "r"); return err }(),
	} {
		var before *journal.ArchivedError
		if !errors.As(err, &before) {
			t.Errorf("%s of what was archived: %v", what, err)
		}
	}
}

// Where a piece of what is kept is missing, damaged or of another log, the log is
// asked, or nothing is told.
func TestOutlinesOfDamagedHistory(t *testing.T) {
	w, ids := mixed(t)
	_, whole := kept(t, w)
	names, err := filepath.Glob(filepath.Join(whole, "history", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for what, change := range map[string]func() error{
			"missing":  func() error { return os.Remove(name) },
			"flipped":  func() error { return os.WriteFile(name, flipped(content, len(content)/2), 0o600) },
			"cut":      func() error { return os.WriteFile(name, content[:len(content)-1], 0o600) },
			"no magic": func() error { return os.WriteFile(name, flipped(content, 3), 0o600) },
		} {
			if (i+len(what))%3 != 0 && i > 1 {
				continue
			}
			if err := change(); err != nil {
				t.Fatal(err)
			}
			h, err := follow.ReadHistory(whole, journaltest.MACKey(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			checkDamaged(t, what, w, h, ids)
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func checkDamaged(t *testing.T, what string, w *writer, h *follow.History, ids map[events.TokenID]events.TokenDigest) {
	t.Helper()
	last, err := w.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, position := range []events.Position{last, last / 2, last / 5} {
		m := Moment{Position: position}
		want, err := At(t.Context(), w, projections.New(), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Near(t.Context(), w, h, m, nil); err != nil || got.State.Hash() != want.State.Hash() {
			t.Errorf("%s, %d: another state: %v", what, position, err)
		}
		outline, err := NearOutline(t.Context(), w, h, m)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for id := range ids {
			got, found, err := outline.Token(t.Context(), id)
			if wanted, ok := want.State.Token(id); err == nil && (got != wanted || found != ok) {
				t.Errorf("%s, %d: token %v is %+v, want %+v", what, position, id, got, wanted)
			}
		}
	}
}

func flipped(content []byte, at int) []byte {
	b := append([]byte(nil), content...)
	b[at] ^= 1
	return b
}

// What a replica had applied is the same by what is kept as by all records, for
// replicas that come and go, and for those that never were.
func TestAppliedByIsTheSameFromWhatIsKept(t *testing.T) {
	env := journaltest.New(t)
	random := rand.New(rand.NewPCG(5, 6))
	var seen events.Seen
	chains := []journal.Cursor{{}} // by position
	var writers []*writer
	for _, replica := range []string{"r_1", "r_2", "r_3"} {
		w := &writer{Journal: env.Open(func(c *journal.Config) { c.Replica = replica }), t: t}
		w.SetSeen(func() events.Seen { return seen })
		writers = append(writers, w)
	}
	type said struct {
		replica int
		applied events.Position
	}
	var log []said
	for i := range 200 {
		by := random.IntN(3)
		if i > 60 && by == 1 {
			by = 0 // it is gone
		}
		// Some lag, and not always the same.
		at := chains[max(0, i-random.IntN(4)*random.IntN(9))]
		seen = events.Seen{Position: at.Position, Chain: at.Chain}
		log = append(log, said{by, at.Position})
		writers[by].at(time.Duration(i)*time.Second, &events.ScopesSet{ID: "acme", Scopes: []events.Scope{{Name: "read"}}})
		if err := writers[0].Read(t.Context(), chains[i], events.Position(i+1), func(r *journal.Record) error {
			chains = append(chains, r.Cursor())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	h, _ := kept(t, writers[0])
	for i := range 20 {
		position := 1 + random.IntN(200)
		histories := []*follow.History{h}
		if i%10 == 0 {
			histories = append(histories, nil)
		}
		for by, replica := range []string{"r_1", "r_2", "r_3", "r_none"} {
			want := events.Position(0)
			for _, s := range log[:position] {
				if s.replica == by {
					want = max(want, s.applied)
				}
			}
			for _, m := range []Moment{{Position: events.Position(position)}, {Time: epoch.Add(time.Duration(position-1) * time.Second)}} {
				for _, h := range histories {
					if got, err := AppliedBy(t.Context(), writers[0], h, m, replica); err != nil || got != want {
						t.Errorf("%s at %+v: %d, want %d: %v", replica, m, got, want, err)
					}
				}
			}
		}
	}
	read := 0
	if _, err := AppliedBy(t.Context(), counting{writers[0].Journal, &read}, h, Moment{Position: 200}, "r_none"); err != nil || read > 100 {
		t.Errorf("%d records were read for a replica that never was: %v", read, err)
	}
}
