package oauth

import (
	"sync"
	"time"
)

// refusalEvery is the least time between two lines about refused requests.
const refusalEvery = time.Second

// refusals keeps a replica that refuses every request from saying so each time.
type refusals struct {
	mu       sync.Mutex
	next     time.Time // of the next line
	unlogged int       // since the last one
}

// tell reports whether a refusal is to be logged, and how many were not since
// the last one that was.
func (r *refusals) tell(now time.Time) (unlogged int, logged bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.next) {
		r.unlogged++
		return 0, false
	}
	unlogged, r.unlogged, r.next = r.unlogged, 0, now.Add(refusalEvery)
	return unlogged, true
}
