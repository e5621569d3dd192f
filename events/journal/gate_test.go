package journal_test

import (
	"sync"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
)

// A gate holds the assembly of pages, after their calls were taken from the
// queue and before they are sent. It is given to Journal.SetSeen.
type gate struct {
	entered chan struct{} // closed when the first page waits
	opened  chan struct{}
	once    sync.Once
}

func newGate() *gate { return &gate{entered: make(chan struct{}), opened: make(chan struct{})} }

func (g *gate) seen() events.Seen {
	g.once.Do(func() { close(g.entered) })
	<-g.opened
	return events.Seen{}
}

func (g *gate) open() { close(g.opened) }

// waitUntil waits for a condition that another goroutine is about to make true.
func waitUntil(t testing.TB, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for tick := time.Tick(time.Millisecond); !condition(); {
		select {
		case <-tick:
		case <-deadline:
			t.Fatal("the condition did not come true")
		}
	}
}
