package replay

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
)

// long is a log of so many records that they do not all fit between two
// stages, and the heads of its tree by size.
func long(t testing.TB) (w *writer, heads []tree.Head) {
	w = small(t)
	for i := range 2*batches*batchRecords - 5 {
		w.at(5*time.Minute+time.Duration(i)*time.Second, &events.BeaconSent{Nonce: "n"})
	}
	last, err := w.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var edge tree.Edge
	heads = append(heads, tree.Head{})
	if err := w.Read(t.Context(), journal.Cursor{}, last, func(r *journal.Record) error {
		if err := edge.Append(tree.Leaf(r.Subject, r.Payload)); err != nil {
			return err
		}
		head, err := edge.Head()
		heads = append(heads, head)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return w, heads
}

// A log has the heads that were kept of it, and no other; what is wrong is
// found where it stands.
func TestVerifyComparesHeads(t *testing.T) {
	w, heads := long(t)
	last := events.Position(len(heads) - 1)
	kept := func(heads ...tree.Head) Options { return Options{Kept: Kept{Heads: heads}} }
	wrong := func(size int) tree.Head { return tree.Head{Size: int64(size), Root: tree.Hash{1}} }

	report, err := Verify(t.Context(), w, kept(heads[300], heads[1], heads[last], heads[300]))
	if err != nil || report.Head != heads[last] || report.Position != last {
		t.Fatalf("%+v, %v", report, err)
	}
	past, err := At(t.Context(), w, projections.New(), Moment{}, nil)
	if err != nil || report.StateHash != past.State.Hash() || report.Chain != past.State.Chain || report.Events != int(last)+1 {
		t.Errorf("%+v, %v: the state is another one", report, err)
	}
	bare, err := Verify(t.Context(), w, Options{Records: true})
	if err != nil || bare.Head != report.Head || bare.Chain != report.Chain || bare.Bytes != report.Bytes || bare.Events != 0 || bare.StateHash != [32]byte{} {
		t.Errorf("records alone: %+v, %v", bare, err)
	}
	for name, c := range map[string]struct {
		o              Options
		good, at, read events.Position // read: how far the report goes
	}{
		"another root":              {kept(wrong(300)), 0, 300, 299},
		"behind a good one":         {kept(heads[100], wrong(300), heads[last]), 100, 300, 299},
		"the first record":          {kept(wrong(1)), 0, 1, 0},
		"the last record":           {kept(heads[5], wrong(int(last))), 5, last, last - 1},
		"behind the end":            {kept(heads[5], wrong(int(last)+7)), last, last + 7, last},
		"a place behind the end":    {Options{Kept: Kept{Place: journal.Cursor{Position: last + 1}}}, last, last + 1, last},
		"another chain at a place":  {Options{Kept: Kept{Place: journal.Cursor{Position: 400, Chain: events.Chain{1}}}}, 0, 400, 399},
		"a root before a bad chain": {Options{Kept: Kept{Heads: []tree.Head{wrong(20)}, Place: journal.Cursor{Position: 21}}}, 0, 20, 19},
	} {
		report, err := Verify(t.Context(), w, c.o)
		var mismatch *MismatchError
		if !errors.As(err, &mismatch) || mismatch.Position != c.at || mismatch.Good != c.good || report.Position != c.read {
			t.Errorf("%s: good up to %d, %+v", name, report.Position, err)
		}
	}
}

// A reading that is given up ends, with the reason.
func TestVerifyIsInterrupted(t *testing.T) {
	w, heads := long(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	report, err := Verify(ctx, w, Options{Progress: func(at, _ events.Position) {
		if at == 100 {
			cancel(enough)
		}
	}})
	if !errors.Is(err, enough) || report.Position >= events.Position(len(heads)-1) {
		t.Errorf("%v at %d", err, report.Position)
	}
}

// A kept tree names the first record that is another one.
func TestFirstAltered(t *testing.T) {
	w, heads := long(t)
	last := events.Position(len(heads) - 1)
	for _, altered := range []events.Position{0, 1, 255, 256, 257, 300, last} {
		kept, err := tree.Open(t.TempDir(), "log.example")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Read(t.Context(), journal.Cursor{}, last, func(r *journal.Record) error {
			leaf := tree.Leaf(r.Subject, r.Payload)
			if altered != 0 && r.Position >= altered {
				leaf[0] ^= 1
			}
			return kept.Append(leaf, r.Chain)
		}); err != nil {
			t.Fatal(err)
		}
		if altered == 0 { // a longer one
			for range 3 {
				if err := kept.Append(tree.Hash{}, events.Chain{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		head, err := kept.Head()
		if err != nil {
			t.Fatal(err)
		}
		want := altered
		if altered == 0 {
			want = last + 1
		}
		if got, err := FirstAltered(t.Context(), w, kept, head); err != nil || got != want {
			t.Errorf("altered from %d on: %d, %v", altered, got, err)
		}
		if _, err := FirstAltered(t.Context(), w, kept, tree.Head{Size: head.Size, Root: tree.Hash{1}}); !errors.Is(err, tree.ErrDamaged) {
			t.Errorf("a head that is not the tree's: %v", err)
		}
		if err := kept.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
