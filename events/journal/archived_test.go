package journal_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// subjectOf gives each tenth record of a log a subject of its own.
func subjectOf(i int) string { return events.ApplicationSubject("acme", fmt.Sprintf("a_%d", i%10)) }

// withoutBeginning makes a log of 30 records without those before first, on a server
// of its own, and returns where the first record stands.
func withoutBeginning(t *testing.T, first events.Position) (*journal.Journal, []page, journal.Cursor) {
	t.Helper()
	whole := journaltest.New(t).Open()
	for i := range 30 {
		mustAppend(t, whole, subjectOf(i), beacon(fmt.Sprint(i)))
	}
	before := journal.Cursor{}
	env := journaltest.New(t)
	err := journal.Restore(t.Context(), restoring(env), first, func(into *journal.Restoration) error {
		return whole.Read(t.Context(), journal.Cursor{}, 30, func(r *journal.Record) error {
			if r.Position < first {
				before = r.Cursor()
				return nil
			}
			return into.Put(t.Context(), r)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return env.Open(), readAll(t, whole)[first-1:], before
}

// A log whose beginning was archived keeps its positions and goes on.
func TestLogWithoutItsBeginning(t *testing.T) {
	j, want, before := withoutBeginning(t, 13)
	if j.First() != 13 || lastOf(t, j) != 30 {
		t.Fatalf("from %d to %d", j.First(), lastOf(t, j))
	}
	if diff := cmp.Diff(want, tail(t, j, before, 30)); diff != "" {
		t.Error(diff)
	}
	if at := mustAppend(t, j, events.BeaconsSubject(), beacon("and on")); at != 31 {
		t.Errorf("appended at %d", at)
	}
	for _, from := range []events.Position{0, 11} {
		var archived *journal.ArchivedError
		err := j.Read(t.Context(), journal.Cursor{Position: from}, 30, func(*journal.Record) error { return nil })
		if !errors.As(err, &archived) || archived.First != 13 {
			t.Errorf("after %d: %v", from, err)
		}
	}
}

// What a decision stands on may have been archived. That is as good as before,
// for who knows all of what was archived.
func TestAppendIfOnAnArchivedRecord(t *testing.T) {
	j, _, _ := withoutBeginning(t, 25) // the last of a_3 is 24, that of a_4 is 25
	put := func(i int, last events.Position) error {
		_, err := j.AppendIf(t.Context(), subjectOf(i), last, beacon("edit"))
		return err
	}
	if err := put(3, 24); !errors.Is(err, journal.ErrConflict) {
		t.Errorf("by who has applied nothing: %v", err)
	}
	j.SetSeen(func() events.Seen { return events.Seen{Position: 23} })
	if err := put(3, 14); !errors.Is(err, journal.ErrConflict) {
		t.Errorf("by who has not applied all that was archived: %v", err)
	}
	j.SetSeen(func() events.Seen { return events.Seen{Position: 30} })
	if err := put(4, 15); !errors.Is(err, journal.ErrConflict) {
		t.Errorf("where there is a later one: %v", err)
	}
	if err := put(3, 24); err != nil {
		t.Errorf("where there is none: %v", err)
	}
	if err := put(3, 24); !errors.Is(err, journal.ErrConflict) {
		t.Errorf("a second time: %v", err)
	}
	if err := put(4, 25); err != nil {
		t.Errorf("on a record that is there: %v", err)
	}
}

// A replica that was away while more was archived does not decide on what it
// missed.
func TestAppendIfWhenMoreWasArchived(t *testing.T) {
	o := newRolling(t, journaltest.New(t), 30, 10)
	next := journal.Rollover{Before: cursorAt(t, o.j, 24), At: cursorAt(t, o.j, 25)}
	o.rollOver(t)
	away := o.env.Open()
	o.r = next
	o.rollOver(t)
	seen := events.Seen{Position: 12}
	away.SetSeen(func() events.Seen { return seen })
	_, err := away.AppendIf(t.Context(), subjectOf(3), 4, beacon("edit")) // a_3 has records 4, 14 and 24
	if !errors.Is(err, journal.ErrConflict) {
		t.Errorf("it knows of the first: %v", err)
	}
	seen.Position = 30
	if _, err := away.AppendIf(t.Context(), subjectOf(3), 24, beacon("edit")); err != nil {
		t.Errorf("it knows of all: %v", err)
	}
}
