package journal_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// Whether the log has a leader shows in what becomes of writes: one that was
// cut off from the others answers what it is asked, but stores nothing.
func TestLedWhileTheLogHasALeader(t *testing.T) {
	nodes := journaltest.NewCluster(t)
	j := nodes[0].Open(journaltest.Replicated, func(c *journal.Config) { c.AckTimeout = 200 * time.Millisecond })
	mustAppend(t, j, events.BeaconsSubject(), beacon("1"))
	if !j.Led() {
		t.Error("who wrote knows no leader")
	}
	nodes[1].Stop()
	nodes[2].Stop()
	asked := func(led bool) func() bool {
		return func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			j.Append(ctx, events.BeaconsSubject(), beacon("2")) // an error is an answer, too
			return j.Led() == led
		}
	}
	eventually(t, "one of three has no leader", asked(false))
	nodes[1].Start()
	eventually(t, "two of three have one", asked(true))
}

// A server whose copy is lost starts with an empty one and, if it is the
// preferred member of the stream, answers for it at once. Whoever is connected
// to it is told the end of the log all the same.
func TestTheEndOfTheLogIsTheLeaders(t *testing.T) {
	nodes := journaltest.NewCluster(t)
	first := nodes[0].Open(journaltest.Replicated)
	var last events.Position
	for i := range 5 {
		last = mustAppend(t, first, events.BeaconsSubject(), beacon(fmt.Sprint(i)))
	}
	for _, n := range nodes { // one of them is preferred
		n.Stop()
		if err := os.RemoveAll(n.Dir()); err != nil {
			t.Fatal(err)
		}
		n.Start()
		j := n.Open(journaltest.Replicated)
		told := 0
		eventually(t, "its copy is whole", func() bool {
			if got, err := j.Last(t.Context()); err == nil {
				told++
				if got < last {
					t.Fatalf("%s: the log ends at %d, not %d", n.Name(), got, last)
				}
			}
			return n.Current() && told > 0
		})
	}
}

// eventually waits for what nothing announces.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for late := time.After(time.Minute); !is(); {
		select {
		case <-late:
			t.Fatalf("not in time: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
