package journal_test

import (
	"context"
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
