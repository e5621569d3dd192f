package replay

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// upTo is a log that ends earlier than the one it reads.
type upTo struct {
	Log
	last events.Position
}

func (u upTo) Last(context.Context) (events.Position, error) { return u.last, nil }

// pieces cuts a log at positions: each piece begins with the base of what is
// before.
func pieces(t *testing.T, w Log, cuts ...events.Position) (parts []Part) {
	t.Helper()
	var begin Log = w
	for i, cut := range append(cuts, 0) {
		name := string(rune('a' + i))
		if cut == 0 {
			return append(parts, Part{Log: begin, Name: name})
		}
		end := journal.Cursor{}
		if err := w.Read(t.Context(), journal.Cursor{}, cut, func(r *journal.Record) error { end = r.Cursor(); return nil }); err != nil {
			t.Fatal(err)
		}
		var piece Log = upTo{begin, cut}
		if o := OriginOf(begin); o != nil {
			piece = From(piece, o)
		}
		parts = append(parts, Part{piece, name, end})
		begin = archived(t, w, cut)
	}
	return parts
}

func positions(t *testing.T, log Log, from journal.Cursor, to events.Position) (found []events.Position) {
	t.Helper()
	if err := log.Read(t.Context(), from, to, func(r *journal.Record) error { found = append(found, r.Position); return nil }); err != nil {
		t.Fatal(err)
	}
	return found
}

// The pieces of a log are the log, in whatever order they are given.
func TestJoinedLogIsTheLog(t *testing.T) {
	w, heads := long(t)
	last := events.Position(len(heads) - 1)
	whole, err := Verify(t.Context(), w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	parts := pieces(t, w, 100, 300)
	for _, order := range [][]int{{0, 1, 2}, {2, 0, 1}, {1, 2, 0}} {
		log, err := Join(t.Context(), parts[order[0]], parts[order[1]], parts[order[2]])
		if err != nil {
			t.Fatal(err)
		}
		got, err := Verify(t.Context(), log, Options{Kept: Kept{Heads: heads[1:]}})
		if diff := cmp.Diff(whole, got); err != nil || diff != "" {
			t.Errorf("%v: %v\n%s", order, err, diff)
		}
		for _, from := range []events.Position{0, 50, 99, 100, 101, 299, 300, 301, last - 1} {
			got := positions(t, log, journal.Cursor{Position: from}, last)
			if len(got) != int(last-from) || got[0] != from+1 || got[len(got)-1] != last {
				t.Errorf("after %d: %d records from %d", from, len(got), got[0])
			}
		}
		if got := positions(t, log, journal.Cursor{Position: 98}, 101); cmp.Diff([]events.Position{99, 100, 101}, got) != "" {
			t.Errorf("in between: %v", got)
		}
	}
	log, err := Join(t.Context(), parts[1], parts[2])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Verify(t.Context(), log, Options{}); err != nil || got.First != 100 || got.StateHash != whole.StateHash || got.Head != whole.Head {
		t.Errorf("without the first: %+v, %v", got, err)
	}
	var before *journal.ArchivedError
	if _, err := Near(t.Context(), log, nil, Moment{Position: 99}, nil); !errors.As(err, &before) || before.First != 100 {
		t.Errorf("before the first: %v", err)
	}
}

// Pieces that are missing, given twice, or of another log are no log.
func TestPiecesThatAreNoLog(t *testing.T) {
	parts, others := pieces(t, small(t), 2, 4), pieces(t, small(t), 2, 4)
	for name, c := range map[string]struct {
		parts []Part
		word  string
	}{
		"a gap":                   {[]Part{parts[0], parts[2]}, "what is between is missing"},
		"one twice":               {[]Part{parts[1], parts[0], parts[1]}, "both begin at position 2"},
		"the first twice":         {[]Part{parts[0], others[0], parts[1]}, "both begin at position 1;"},
		"another log's first":     {[]Part{others[0], parts[1], parts[2]}, "not of one log: at position 2"},
		"another log's second":    {[]Part{parts[0], others[1], parts[2]}, "not of one log: at position 2"},
		"another log's last":      {[]Part{parts[0], parts[1], others[2]}, "not of one log: at position 4"},
		"unknown ends, the first": {[]Part{{Log: others[0].Log, Name: "a"}, parts[1]}, "not of one log: at position 2"},
		"unknown ends, the last":  {[]Part{parts[0], {Log: parts[1].Log, Name: "b"}, others[2]}, "not of one log: at position 4"},
	} {
		log, err := Join(t.Context(), c.parts...)
		if err == nil {
			_, err = Verify(t.Context(), log, Options{})
		}
		var refused *PartsError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
