package follow

import (
	"context"
	"sync"
	"time"
)

// catchUpPause is the least time between two proofs that were asked for: they
// are records of a log that never forgets.
const catchUpPause = 20 * time.Millisecond

// catchUps are the calls of CatchUp that wait for the next proof, in a cluster.
type catchUps struct {
	mu    sync.Mutex
	next  *catchUp      // nil: nobody waits
	asked chan struct{} // somebody does; capacity 1
}

// catchUp is a proof that is begun after everybody who waits for it had asked.
type catchUp struct {
	done chan struct{}
	err  error // set before done is closed
}

// CatchUp returns nil once the state shows everything that was acknowledged
// before the call, by whichever replica. It returns ErrDamaged if it cannot,
// why the log could not be asked, ErrClosed, or the cause of ctx.
//
// In a cluster that takes a proof. The position that the log's leader tells is
// none: a leader that was cut off, and does not know it yet, tells an old one.
// Calls that come while a proof is being made share the next one.
func (f *Follower) CatchUp(ctx context.Context) error {
	if f.cfg.Single {
		last, err := f.cfg.Journal.Last(ctx)
		if err != nil {
			return err
		}
		return f.WaitFor(ctx, last)
	}
	p := f.catchUps.join()
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.halted:
		if d := f.damage.Load(); d != nil {
			return d.err
		}
		return ErrClosed
	}
}

func (c *catchUps) join() *catchUp {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = &catchUp{done: make(chan struct{})}
		c.asked <- struct{}{}
	}
	return c.next
}

func (c *catchUps) take() *catchUp {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.next
	c.next = nil
	return p
}

// proveToCallers makes the proofs that CatchUp waits for.
func (f *Follower) proveToCallers(ctx context.Context) {
	for {
		select {
		case <-f.catchUps.asked:
		case <-ctx.Done():
			return
		}
		p := f.catchUps.take()
		p.err = f.proveOnce(ctx)
		close(p.done)
		select {
		case <-time.After(catchUpPause):
		case <-ctx.Done():
			return
		}
	}
}
