package follow_test

import (
	"os"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

func TestPast(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	for _, name := range []string{"o1", "o2", "o3"} {
		f := r.start()
		await(t, f, r.write(name))
		end(t, f)
	}
	kept := snapshots(t, r.config.Dir)
	if len(kept) != 2 {
		t.Fatalf("snapshots %v", kept)
	}
	f := r.start()
	defer end(t, f)
	when := f.Past(2, time.Time{}).Time
	for what, tc := range map[string]struct {
		position events.Position
		until    time.Time
		want     events.Position
	}{
		"anything":             {0, time.Time{}, 3},
		"that position":        {3, time.Time{}, 3},
		"a later position":     {9, time.Time{}, 3},
		"an earlier one":       {2, time.Time{}, 2},
		"before all snapshots": {1, time.Time{}, 0},
		"its own time":         {0, when, 2},
		"before that time":     {0, when.Add(-1), 0},
	} {
		s := f.Past(tc.position, tc.until)
		if s.Position != tc.want {
			t.Errorf("%s: a snapshot of position %d, want %d", what, s.Position, tc.want)
		}
	}
	if err := os.WriteFile(kept[1], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := f.Past(0, time.Time{}); s.Position != 2 {
		t.Errorf("beside a damaged snapshot: position %d", s.Position)
	}
}
