package follow_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// past is a replica whose follower has kept so many states, and the last
// position of its log.
func past(t *testing.T, states int) (*replica, *follow.Follower, events.Position) {
	t.Helper()
	r := newReplica(t, journaltest.New(t))
	r.config.HistoryBytes = 1
	f := r.start()
	return r, f, r.writeUntil(f, func(kept []events.Position) bool { return len(kept) >= states })
}

// writeUntil writes records until the states that are kept are as they should.
func (r *replica) writeUntil(f *follow.Follower, enough func([]events.Position) bool) (last events.Position) {
	r.t.Helper()
	eventually(r.t, "the past is kept", func() bool {
		last = r.write(events.NewID("o_"))
		await(r.t, f, last)
		kept, _ := f.History().Kept()
		return enough(kept)
	})
	return last
}

// fold is the state at a position by the log alone.
func (r *replica) fold(from *projections.State, to events.Position) *projections.State {
	r.t.Helper()
	err := r.Read(r.t.Context(), journal.Cursor{Position: from.Position, Chain: from.Chain}, to, foldInto(from))
	if err != nil {
		r.t.Fatal(err)
	}
	return from
}

func foldInto(s *projections.State) func(*journal.Record) error {
	return func(rec *journal.Record) error {
		i := 0
		for e, err := range rec.Events() {
			if err != nil {
				return err
			}
			if err := s.Apply(projections.Record{Position: rec.Position, Subject: rec.Subject}, i, e); err != nil {
				return err
			}
			i++
		}
		s.Position, s.Chain = rec.Position, rec.Chain
		return nil
	}
}

func historyFiles(t *testing.T, dir string) []string {
	t.Helper()
	return glob(t, filepath.Join(dir, "history"), "*")
}

// A replica keeps states as the log grows, and from each the log gives what it
// gives from its first record.
func TestHistoryGrowsWithTheLog(t *testing.T) {
	r, f, end := past(t, 4)
	for position := events.Position(1); position <= end; position++ {
		positions, _ := f.History().Kept() // there may be one more meanwhile
		from, later, err := f.History().Nearest(t.Context(), r.Journal, position, time.Time{})
		if err != nil || later != 0 || from.Position > position {
			t.Fatalf("%d: position %d, later %d: %v", position, from.Position, later, err)
		}
		if i, _ := slices.BinarySearch(positions, position+1); i > 0 && from.Position < positions[i-1] {
			t.Errorf("%d: from %d, of %v", position, from.Position, positions)
		}
		if r.fold(from, position).Hash() != r.fold(projections.New(), position).Hash() {
			t.Errorf("%d: another state than the log's", position)
		}
	}
}

// A moment of time is after the states whose events are all before it, and
// before the first that shows a later one.
func TestHistoryByTime(t *testing.T) {
	r, f, _ := past(t, 4)
	h := f.History()
	positions, _ := h.Kept()
	for i, position := range positions[:len(positions)-1] {
		s := r.fold(projections.New(), position)
		from, later, err := h.Nearest(t.Context(), r.Journal, 0, s.Time)
		if err != nil || from.Position < position || from.Time.After(s.Time) {
			t.Errorf("%v: from %d at %v: %v", s.Time, from.Position, from.Time, err)
		}
		if from.Position == position && later != positions[i+1] {
			t.Errorf("%v: later is %d, of %v", s.Time, later, positions)
		}
	}
	if from, later, err := h.Nearest(t.Context(), r.Journal, 0, time.Unix(1, 0)); err != nil || from.Position != 0 || later != positions[0] {
		t.Errorf("before everything: %d, %d, %v", from.Position, later, err)
	}
}

// Folding from the first record leaves states behind, if there is room, so that
// the next question has a shorter way.
func TestFoldingKeepsWhatItPasses(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	f := r.start()
	for i := range 20 {
		await(t, f, r.write(fmt.Sprint("o", i)))
	}
	end(t, f)
	h := f.History()
	h.Every(1)
	for _, name := range snapshots(t, r.config.Dir) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if positions, _ := h.Kept(); len(positions) > 0 {
		t.Fatalf("kept %v of so short a log", positions)
	}
	s := projections.New()
	if err := h.Keeping(r.Journal, s).Read(t.Context(), journal.Cursor{}, 20, foldInto(s)); err != nil {
		t.Fatal(err)
	}
	positions, _ := h.Kept()
	if len(positions) < 2 || s.Hash() != r.fold(projections.New(), 20).Hash() {
		t.Fatalf("kept %v", positions)
	}
	last := positions[len(positions)-1]
	if from, _, err := h.Nearest(t.Context(), r.Journal, 20, time.Time{}); err != nil || from.Position != last {
		t.Errorf("from %d, want %d: %v", from.Position, last, err)
	}
	h.Limit(len(positions), 1<<20)
	again := projections.New()
	if err := h.Keeping(r.Journal, again).Read(t.Context(), journal.Cursor{}, last-1, foldInto(again)); err != nil {
		t.Fatal(err)
	}
	if now, _ := h.Kept(); !slices.Equal(now, positions) {
		t.Errorf("without room, kept %v and then %v", positions, now)
	}
}

// What is kept is bounded in number and in size. What goes leaves the shortest
// gaps, and each state stands for the whole way from the one before.
func TestHistoryIsBounded(t *testing.T) {
	r, f, _ := past(t, 1)
	h := f.History()
	h.Limit(4, 1<<20)
	total := int64(0)
	count := func(rec *journal.Record) error {
		total += int64(rec.Bytes)
		return nil
	}
	first, _ := h.Kept()
	r.writeUntil(f, func(kept []events.Position) bool { return len(kept) == 4 && kept[1] > 4*first[0] })
	positions, read := h.Kept()
	if len(positions) > 4 || len(historyFiles(t, r.config.Dir)) > 5 { // one may be in the making
		t.Errorf("kept %v", positions)
	}
	if err := r.Read(t.Context(), journal.Cursor{}, positions[len(positions)-1], count); err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, n := range read {
		sum += n
	}
	// What is taken beside a tail that goes on belongs to the next one.
	if sum < total/2 || sum > 2*total {
		t.Errorf("states at %v stand for %v of %d bytes", positions, read, total)
	}
	end(t, f)
	files := historyFiles(t, r.config.Dir)
	reopened, err := follow.ReadHistory(r.config.Dir, r.config.Key, r.config.Logger)
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := reopened.Kept(); len(now) != len(files) {
		t.Errorf("%v of %v", now, files)
	}
	h.Limit(4, 1) // the last one stays
	h.Every(0)
	another := events.Position(2)
	for slices.Contains(positions, another) {
		another++
	}
	s := r.fold(projections.New(), another)
	if err := h.Keep(context.Background(), r.Journal, s, 1<<20); err != nil {
		t.Fatal(err)
	}
	if now, _ := h.Kept(); len(now) != 1 || len(historyFiles(t, r.config.Dir)) != 1 {
		t.Errorf("beyond the room there is %v", now)
	}
}

// A state that does not verify, or is none of this log's, is not used; what is
// of no use is dropped, but not by those who may only read.
func TestBadHistoryIsNotUsed(t *testing.T) {
	r, f, last := past(t, 3)
	end(t, f)
	for _, name := range snapshots(t, r.config.Dir) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	files := historyFiles(t, r.config.Dir)
	newest := files[len(files)-1]
	good, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(good)
	flipped[len(flipped)/2] ^= 1
	other, of, _ := past(t, 1) // of another log
	end(t, of)
	foreign := historyFiles(t, other.config.Dir)
	foreignState, err := os.ReadFile(foreign[0])
	if err != nil {
		t.Fatal(err)
	}
	for what, tc := range map[string]struct {
		name    string
		content []byte
	}{
		"flipped":    {newest, flipped},
		"cut":        {newest, good[:len(good)-1]},
		"empty":      {newest, nil},
		"misnamed":   {fmt.Sprintf("%020d-00001700000000000000-%020d-9.past", last, 0), good},
		"of another": {foreign[0], foreignState},
	} {
		dir := t.TempDir()
		copyFiles(t, r.config.Dir, dir, "none")
		name := filepath.Join(dir, "history", filepath.Base(tc.name))
		own := fmt.Sprintf("%.20s-*", filepath.Base(name)) // of the same position
		for _, name := range glob(t, filepath.Dir(name), own) {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, tc.content, 0o600); err != nil {
			t.Fatal(err)
		}
		reader, err := follow.ReadHistory(dir, r.config.Key, r.config.Logger)
		if err != nil {
			t.Fatal(err)
		}
		var at events.Position
		if _, err := fmt.Sscanf(filepath.Base(name), "%d-", &at); err != nil {
			t.Fatal(err)
		}
		want := r.fold(projections.New(), at).Hash()
		from, _, err := reader.Nearest(t.Context(), r.Journal, at, time.Time{})
		if err != nil || r.fold(from, at).Hash() != want {
			t.Errorf("%s: from %d: %v", what, from.Position, err)
		}
		if _, err := os.Stat(name); err != nil {
			t.Errorf("%s: a reader changed it: %v", what, err)
		}
		writer := *r
		writer.config.Dir = dir
		f := writer.start()
		from, _, err = f.History().Nearest(t.Context(), r.Journal, at, time.Time{})
		if err != nil || r.fold(from, at).Hash() != want {
			t.Errorf("%s: from %d: %v", what, from.Position, err)
		}
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s: it is still there", what)
		}
		end(t, f)
	}
}

// Of what stands before the beginning of the log, that stays on which others
// stand.
func TestHistoryOfALogWithoutItsBeginning(t *testing.T) {
	r, f, last := past(t, 6)
	end(t, f)
	h := f.History()
	before, _ := h.Kept()
	first := before[len(before)/2]
	want, _, err := h.Nearest(t.Context(), r.Journal, last, time.Time{})
	if err != nil || want.Position < first {
		t.Fatalf("from %d of %v: %v", want.Position, before, err)
	}
	h.Forget(first)
	got, _, err := h.Nearest(t.Context(), r.Journal, last, time.Time{})
	if err != nil || got.Hash() != want.Hash() || got.Position != want.Position {
		t.Errorf("from %d, want %d: %v", got.Position, want.Position, err)
	}
	h.Forget(last + 1)
	if after, _ := h.Kept(); len(after) > 0 || len(historyFiles(t, r.config.Dir)) > 0 {
		t.Errorf("%v is left of %v", after, before)
	}
}

// What a former version kept is of no use, and goes.
func TestFormerHistoryGoes(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	former := filepath.Join(r.config.Dir, "history", fmt.Sprintf("%020d-%020d-1.snapshot", 2, 1))
	if err := os.MkdirAll(filepath.Dir(former), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(former, []byte("of a former version"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := follow.ReadHistory(r.config.Dir, r.config.Key, r.config.Logger); err != nil {
		t.Error(err)
	}
	if len(historyFiles(t, r.config.Dir)) != 1 {
		t.Error("a reader changed it")
	}
	if kept, _ := r.start().History().Kept(); len(kept) > 0 || len(historyFiles(t, r.config.Dir)) > 0 {
		t.Errorf("it is still there, and counts: %v", kept)
	}
}

// Where nothing is kept there is nothing to find, and nothing fails.
func TestNoHistory(t *testing.T) {
	var none *follow.History
	r := newReplica(t, journaltest.New(t))
	s, later, err := none.Nearest(t.Context(), r.Journal, 1, time.Time{})
	if err != nil || later != 0 || s.Position != 0 || none.Keeping(r.Journal, s) != follow.Log(r.Journal) {
		t.Errorf("%v %d %v", s, later, err)
	}
	empty, err := follow.ReadHistory(filepath.Join(t.TempDir(), "nowhere"), r.config.Key, r.config.Logger)
	if err != nil {
		t.Fatal(err)
	}
	if s, _, err := empty.Nearest(t.Context(), r.Journal, 1, time.Time{}); err != nil || s.Position != 0 {
		t.Errorf("%v %v", s, err)
	}
	if diff := cmp.Diff([]string(nil), historyFiles(t, r.config.Dir)); diff != "" {
		t.Error(diff)
	}
}
