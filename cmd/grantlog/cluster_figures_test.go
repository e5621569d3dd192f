package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// table is what the suite found, in a form to keep in docs/guarantees.md.
type table struct{ rows []*figures }

// figures are those of one fault.
type figures struct {
	name  string
	times int
	load  *load
	bad   int // histories that contradict the log
	lost  int // acknowledged, and not in every copy of the log at the end
}

func (t *table) String() string {
	var b strings.Builder
	b.WriteString("| fault | times | operations | not linearizable | refreshed families (ended by reuse) | stalest plain read | slowest success | refused | cut off | acknowledged | lost |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range t.rows {
		l := r.load
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d (%d) | %v | %v | %d | %d | %d | %d |\n", r.name, r.times,
			len(l.history.ops)+len(l.families.ops), r.bad, l.families.count, l.families.ended,
			l.stale.Round(time.Millisecond), l.slowest.Round(time.Millisecond), l.failed, l.cut, len(l.told), r.lost)
	}
	return b.String()
}

// look searches a copy of the log for what clients were told.
func (r *figures) look(t testing.TB, tail result) {
	t.Helper()
	if tail.code != 0 {
		t.Errorf("tail: %d\n%s", tail.code, tail.stderr)
	}
	there := map[told]bool{}
	for line := range strings.Lines(tail.stdout) {
		var event struct {
			Type string
			Data struct{ JTI string }
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%.100s: %v", line, err)
		}
		there[told{event.Type, event.Data.JTI}] = true
	}
	lost := 0
	for _, what := range r.load.told {
		if !there[what] {
			if lost++; lost <= 3 {
				t.Errorf("acknowledged and lost: %+v", what)
			}
		}
	}
	r.lost = max(r.lost, lost)
}
