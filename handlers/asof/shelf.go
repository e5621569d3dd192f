package asof

import (
	"slices"
	"sync"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// What is kept of the past: the states that were asked for last, as long as
// they are not more than maxStates and take about maxBytes together. The newest
// is kept whatever its size: it is no larger than the state of some day.
const (
	maxStates = 8
	maxBytes  = 256 << 20
)

// shelf keeps states that were asked for, the last one first.
type shelf struct {
	mu     sync.Mutex
	states []past
}

// find returns the state of a moment of a log that ends at last.
func (s *shelf) find(at replay.Moment, last events.Position, whole bool) (past, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.states, func(p past) bool {
		if whole && p.State.IsOutline() {
			return false
		}
		if at.Position != 0 {
			return p.State.Position == at.Position
		}
		return p.Holds(at.Time, last)
	})
	if i < 0 {
		return past{}, false
	}
	found := s.states[i]
	s.states = slices.Insert(slices.Delete(s.states, i, i+1), 0, found)
	return found, true
}

func (s *shelf) add(p past) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = slices.DeleteFunc(s.states, func(old past) bool { return old.State.Position == p.State.Position })
	s.states = slices.Insert(s.states, 0, p)
	kept, total := 0, 0
	for kept < len(s.states) && kept < maxStates {
		if total += weight(s.states[kept].State); kept > 0 && total > maxBytes {
			break
		}
		kept++
	}
	clear(s.states[kept:])
	s.states = s.states[:kept]
}

// weight is about how much memory a state takes, in bytes.
func weight(s *projections.State) int {
	return 64<<10 + 128*s.Tokens.Len() + 512*s.Refreshes.Len() + 2<<10*(s.Applications.Len()+s.Users.Len())
}
