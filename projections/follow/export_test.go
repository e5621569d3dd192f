package follow

import (
	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// Waiting counts the calls of WaitFor that wait.
func Waiting(f *Follower) (n int) {
	f.waiters.mu.Lock()
	defer f.waiters.mu.Unlock()
	for _, w := range f.waiters.at {
		n += w.count
	}
	return n
}

// PretendApplied makes the follower believe that it was further than the log.
func PretendApplied(f *Follower, position events.Position) {
	f.applied.Store(&mark{Cursor: journal.Cursor{Position: position}})
}
