package journal_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

func TestAppendIfHasOneWinnerAmongRacers(t *testing.T) {
	const racers, rounds = 8, 40
	env := journaltest.New(t)
	subject := events.ApplicationSubject("acme", "a_1")
	journals := make([]*journal.Journal, racers)
	for i := range journals {
		conn := env.Connect()
		journals[i] = env.Open(func(c *journal.Config) { c.Conn = conn })
	}
	var last events.Position
	var won []events.Position
	for range rounds {
		positions := make([]events.Position, racers)
		var wg sync.WaitGroup
		for i, j := range journals {
			wg.Go(func() {
				pos, err := j.AppendIf(t.Context(), subject, last, beacon("edit"))
				switch {
				case err == nil:
					positions[i] = pos
				case !errors.Is(err, journal.ErrConflict):
					t.Errorf("loser: %v", err)
				}
			})
		}
		wg.Wait()
		winners := 0
		for _, pos := range positions {
			if pos != 0 {
				winners, last = winners+1, pos
			}
		}
		if winners != 1 {
			t.Fatalf("%d winners", winners)
		}
		won = append(won, last)
	}
	var stored []events.Position
	for _, p := range readAll(t, journals[0]) {
		stored = append(stored, p.Position)
	}
	if diff := cmp.Diff(won, stored); diff != "" {
		t.Errorf("winners and records (-won +stored):\n%s", diff)
	}
}

func TestAppendIfGuardsItsSubjectOnly(t *testing.T) {
	j := journaltest.New(t).Open()
	one, other := events.ApplicationSubject("acme", "a_1"), events.ApplicationSubject("acme", "a_2")
	for _, step := range []struct {
		name    string
		subject string
		last    events.Position
		want    events.Position // 0: conflict
	}{
		{"first of a subject", one, 0, 1},
		{"first again", one, 0, 0},
		{"first of another subject", other, 0, 2},
		{"continues in spite of the other", one, 1, 3},
		{"continues from a stale position", one, 1, 0},
		{"continues from the other's position", one, 2, 0},
		{"continues from a position to come", one, 9, 0},
		{"continues", one, 3, 4},
	} {
		pos, err := j.AppendIf(t.Context(), step.subject, step.last, beacon("edit"))
		switch {
		case pos != step.want:
			t.Errorf("%s: position %d, want %d (%v)", step.name, pos, step.want, err)
		case step.want == 0 && !errors.Is(err, journal.ErrConflict):
			t.Errorf("%s: %v, want a conflict", step.name, err)
		}
	}
	if last := lastOf(t, j); last != 4 {
		t.Errorf("the log ends at %d, want 4", last)
	}
}

// The answers to a guarded append may be lost. What was written is then found
// by reading, even where the subject has moved on since.
func TestAppendIfSettlesLostAnswers(t *testing.T) {
	subject := events.ApplicationSubject("acme", "a_1")
	for _, c := range []struct {
		name      string
		delivered bool
		rival     bool // another replica edits the same subject meanwhile
		want      events.Position
	}{
		{name: "answer lost", delivered: true, want: 2},
		{name: "publish lost", want: 2},
		{name: "answer lost, then superseded", delivered: true, rival: true, want: 2},
		{name: "publish lost, and a rival won", rival: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := journaltest.New(t)
			j := env.Open()
			conn := env.Connect()
			rival := env.Open(func(cfg *journal.Config) { cfg.Conn = conn })
			if pos, err := j.AppendIf(t.Context(), subject, 0, beacon("created")); pos != 1 || err != nil {
				t.Fatal(pos, err)
			}
			env.Break(journaltest.Fault{Delivered: c.delivered, Then: func() {
				last := events.Position(1)
				if c.delivered {
					last = 2
					waitUntil(t, func() bool { return lastOf(t, rival) == last })
				}
				if !c.rival {
					return
				}
				if _, err := rival.AppendIf(t.Context(), subject, last, beacon("rival")); err != nil {
					t.Errorf("rival: %v", err)
				}
			}})
			pos, err := j.AppendIf(t.Context(), subject, 1, beacon("ours"))
			if pos != c.want || c.want == 0 != errors.Is(err, journal.ErrConflict) {
				t.Fatalf("position %d, want %d (%v)", pos, c.want, err)
			}
			ours := 0
			for _, p := range readAll(t, rival) {
				if p.Nonces[0] == "ours" {
					ours++
					if p.Position != pos {
						t.Errorf("stands at %d, was told %d", p.Position, pos)
					}
				}
			}
			if want := min(int(c.want), 1); ours != want {
				t.Errorf("stands %d times, want %d", ours, want)
			}
		})
	}
}
