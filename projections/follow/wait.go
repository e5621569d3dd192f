package follow

import (
	"context"
	"fmt"
	"sync"

	"github.com/grantlog/grantlog/events"
)

// WaitFor returns nil when the record at position is visible. It returns the
// cause of ctx when that ends first, ErrClosed after Close, and ErrDamaged when
// the log cannot be followed any more. For a position that is visible already
// it takes no lock.
func (f *Follower) WaitFor(ctx context.Context, position events.Position) error {
	if f.Position() >= position {
		return nil
	}
	w := f.waiters.join(position)
	defer f.waiters.leave(position, w)
	// Between the look at the position and the joining it may have come.
	if f.Position() >= position {
		return nil
	}
	select {
	case <-w.come:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("follow: wait for position %d: %w", position, context.Cause(ctx))
	case <-f.halted:
		if d := f.damage.Load(); d != nil {
			return d.err
		}
		return ErrClosed
	}
}

// waiters wait for positions. Those of one position share a channel, so that a
// record wakes those who wait for it and nobody else.
type waiters struct {
	mu sync.Mutex
	at map[events.Position]*waiter
}

type waiter struct {
	come  chan struct{}
	count int
}

func (ws *waiters) join(position events.Position) *waiter {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := ws.at[position]
	if w == nil {
		w = &waiter{come: make(chan struct{})}
		ws.at[position] = w
	}
	w.count++
	return w
}

// leave forgets a position that nobody waits for any more.
func (ws *waiters) leave(position events.Position, w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w.count--; w.count == 0 && ws.at[position] == w {
		delete(ws.at, position)
	}
}

// wake is called for every position in turn.
func (ws *waiters) wake(position events.Position) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w := ws.at[position]; w != nil {
		delete(ws.at, position)
		close(w.come)
	}
}
