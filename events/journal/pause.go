package journal

import (
	"context"
	"time"
)

const (
	minPause = 20 * time.Millisecond
	maxPause = time.Second
)

// A pause waits between attempts, twice as long each time up to maxPause.
type pause struct{ next time.Duration }

func newPause() *pause { return &pause{next: minPause} }

// wait reports false when ctx ended.
func (p *pause) wait(ctx context.Context) bool {
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	p.next = min(2*p.next, maxPause)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// first reports that nothing was waited for yet: what is tried again and again
// is told once.
func (p *pause) first() bool { return p.next == minPause }

func (p *pause) reset() { p.next = minPause }
