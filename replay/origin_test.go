package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

var snapshotKey = bytes.Repeat([]byte{3}, 32)

// baseOf makes the base of a log up to a position.
func baseOf(t testing.TB, log Log, first events.Position) []byte {
	t.Helper()
	past, err := At(t.Context(), log, projections.New(), Moment{Position: first}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	leaves, err := tree.Open(dir, "log.example/oauth/log")
	if err != nil {
		t.Fatal(err)
	}
	defer leaves.Close()
	var previous, chain events.Chain
	if err := log.Read(t.Context(), journal.Cursor{}, first, func(r *journal.Record) error {
		previous, chain = chain, r.Chain
		return leaves.Append(tree.Leaf(r.Subject, r.Payload), r.Chain)
	}); err != nil {
		t.Fatal(err)
	}
	var base bytes.Buffer
	if err := errors.Join(leaves.Save(), follow.WriteBase(&base, snapshotKey, past.State.Freeze(), previous, dir)); err != nil {
		t.Fatal(err)
	}
	return base.Bytes()
}

func origin(t testing.TB, base []byte, first events.Position) *Based {
	t.Helper()
	b, err := follow.NewBase(t.Context(), snapshotKey, first, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(base)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	based := NewBased(b)
	t.Cleanup(func() {
		if err := based.Close(); err != nil {
			t.Error(err)
		}
	})
	return based
}

// without is a log without the records before first.
func without(t testing.TB, log Log, first events.Position) *journal.Journal {
	t.Helper()
	env := journaltest.New(t)
	last, err := log.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg := journal.Config{Conn: env.Conn, MACKey: journaltest.MACKey(), Replica: "r_archive"}
	if err := journal.Restore(t.Context(), cfg, first, func(into *journal.Restoration) error {
		return log.Read(t.Context(), journal.Cursor{}, last, func(r *journal.Record) error {
			if r.Position < first {
				return nil
			}
			return into.Put(t.Context(), r)
		})
	}); err != nil {
		t.Fatal(err)
	}
	return env.Open()
}

// archived is a log that begins with a base.
func archived(t testing.TB, log Log, first events.Position) Log {
	t.Helper()
	return From(without(t, log, first), origin(t, baseOf(t, log, first), first))
}

// A log without its beginning answers for every moment from there on as the
// whole log does, and refuses those before.
func TestMomentsOfALogWithoutItsBeginning(t *testing.T) {
	w := small(t)
	later := archived(t, w, 3)
	for _, m := range []Moment{
		{}, {Position: 3}, {Position: 4}, {Position: 5}, {Time: epoch.Add(3 * time.Minute)}, {Time: epoch.Add(4 * time.Minute)}, {Time: epoch.Add(time.Hour)},
	} {
		whole, err := Near(t.Context(), w, nil, m, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Near(t.Context(), later, nil, m, nil)
		if err != nil || got.State.Hash() != whole.State.Hash() || got.State.Position != whole.State.Position || !got.Until.Equal(whole.Until) {
			t.Errorf("%+v: %+v, %v", m, got, err)
		}
	}
	for _, m := range []Moment{{Position: 1}, {Position: 2}, {Time: epoch}, {Time: epoch.Add(3*time.Minute - 1)}} {
		_, near := Near(t.Context(), later, nil, m, nil)
		_, by := AppliedBy(t.Context(), later, nil, m, "r_test")
		_, diff := FindDiff(t.Context(), later, nil, m, Moment{}, nil)
		_, _, lineage := FindLineage(t.Context(), HistoryOf(later, m, nil), events.TokenID{1}, epoch)
		for what, err := range map[string]error{"near": near, "applied by": by, "diff": diff, "lineage": lineage} {
			var before *journal.ArchivedError
			if !errors.As(err, &before) || before.First != 3 {
				t.Errorf("%s of %+v: %v", what, m, err)
			}
		}
	}
	if _, err := Near(t.Context(), later, nil, Moment{Position: 6}, nil); !errors.Is(err, ErrBeyond) {
		t.Errorf("past the end: %v", err)
	}
	from, to := Moment{Position: 3}, Moment{}
	want, err := FindDiff(t.Context(), w, nil, from, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := FindDiff(t.Context(), later, nil, from, to, nil); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("diff: %v\n%s", err, cmp.Diff(want, got))
	}
}

// Accounts say where they begin, and know what was alive then.
func TestAccountsOfALogWithoutItsBeginning(t *testing.T) {
	w := small(t)
	w.at(5*time.Minute, token(3, time.Hour))
	w.at(6*time.Minute, &events.ApplicationTokensRevoked{ID: "a1", Reason: "leaked"})
	later := archived(t, w, 4)
	all := func(log Log) History { return HistoryOf(log, Moment{}, nil) }
	begins := &Bound{4, epoch.Add(3 * time.Minute)}
	now := epoch.Add(10 * time.Minute)

	suspect := Suspect{Application: "app_1"}
	want, err := FindImpact(t.Context(), all(w), suspect, now)
	if err != nil || want.Begins != nil {
		t.Fatal(want, err)
	}
	got, err := FindImpact(t.Context(), all(later), suspect, now)
	if err != nil || cmp.Diff(begins, got.Begins) != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	// Who caused what was archived is not known here.
	unknown := cmpopts.IgnoreFields(Step{}, "ID", "Actor", "Correlation", "Causation", "Time")
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Impact{}, "Begins"), unknown); diff != "" {
		t.Error(diff)
	}
	for id, path := range map[byte]int{1: 2, 3: 2} {
		l, ok, err := FindLineage(t.Context(), all(later), events.TokenID{id}, now)
		if !ok || err != nil || cmp.Diff(begins, l.Begins) != "" || l.Status != projections.Revoked.String() || l.ApplicationName != "" || l.ClientID != "app_1" {
			t.Errorf("token %d: %+v, %v", id, l, err)
		}
		if len(l.Path) != path {
			t.Errorf("token %d: %q", id, outline(l))
		}
	}
	if _, err := FindImpact(t.Context(), all(later), Suspect{Application: "a1", OfSecret: true, Version: 3}, now); !errors.Is(err, ErrUnknown) {
		t.Errorf("a version that never was: %v", err)
	}
	whole, err := FindWhatIf(t.Context(), all(w), Assumption{TokenLifetime: time.Second}, now)
	if err != nil {
		t.Fatal(err)
	}
	found, err := FindWhatIf(t.Context(), all(later), Assumption{TokenLifetime: time.Second}, now)
	if diff := cmp.Diff(whole, found, cmpopts.IgnoreFields(WhatIf{}, "Begins")); err != nil || diff != "" || found.Begins == nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// What is verified of a log without its beginning is that it continues its
// base, and through the base's tree what was kept before.
func TestVerifyALogWithoutItsBeginning(t *testing.T) {
	w, heads := long(t)
	const first = 301
	base := baseOf(t, w, first)
	live := without(t, w, first)
	later := From(live, origin(t, base, first))
	last := events.Position(len(heads) - 1)
	whole, err := Verify(t.Context(), w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept := Kept{Heads: []tree.Head{heads[last], heads[1], heads[0], heads[first], heads[256], heads[first+1]}, Place: whole.at()}
	got, err := Verify(t.Context(), later, Options{Kept: kept})
	if err != nil || got.First != first || got.Head != whole.Head || got.StateHash != whole.StateHash || got.Chain != whole.Chain || got.Events != int(last)-first {
		t.Errorf("%+v, %v", got, err)
	}
	bare, err := Verify(t.Context(), later, Options{Kept: kept, Records: true})
	if err != nil || bare.Head != whole.Head || bare.Chain != whole.Chain {
		t.Errorf("records alone: %+v, %v", bare, err)
	}
	wrong := func(size int) Kept {
		return Kept{Heads: []tree.Head{heads[10], {Size: int64(size), Root: tree.Hash{1}}}}
	}
	for _, size := range []int{11, first - 1, first, first + 1} {
		_, err := Verify(t.Context(), later, Options{Kept: wrong(size)})
		var mismatch *MismatchError
		if !errors.As(err, &mismatch) || mismatch.Position != events.Position(size) || mismatch.Good != 10 {
			t.Errorf("another root at %d: %v", size, err)
		}
	}
	other, _ := long(t)
	for name, o := range map[string]Origin{
		"another log's base":         origin(t, baseOf(t, other, first), first),
		"the base of a place before": origin(t, baseOf(t, w, first-1), first-1),
		"the base of a place behind": origin(t, baseOf(t, w, first+1), first+1),
	} {
		report, err := Verify(t.Context(), From(live, o), Options{})
		if name == "the base of a place behind" {
			if err != nil || report.StateHash != whole.StateHash {
				t.Errorf("%s, which the log continues: %v", name, err)
			}
			continue
		}
		var damage *journal.DamageError
		var before *journal.ArchivedError
		if !errors.As(err, &damage) && !errors.As(err, &before) {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	for name, c := range map[string]struct {
		log  Log
		want events.Position
	}{"its own": {w, 0}, "another log's": {other, first + 1}} {
		leaves, err := origin(t, baseOf(t, c.log, last), last).leaves(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		head, err := leaves.Head()
		if err != nil {
			t.Fatal(err)
		}
		if at, err := FirstAltered(t.Context(), later, leaves, head); err != nil || at != c.want {
			t.Errorf("compared with %s tree: %d, want %d (%v)", name, at, c.want, err)
		}
	}
}

func (r Report) at() journal.Cursor { return journal.Cursor{Position: r.Position, Chain: r.Chain} }
