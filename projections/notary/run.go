package notary

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
)

// Run keeps the tree up to date until ctx ends, and saves it then. It is called
// once, when the state has met the end of the log.
func (n *Notary) Run(ctx context.Context) {
	saves := saver{tree: n.tree, began: time.Now()}
	for retry := firstRetry; ctx.Err() == nil; {
		err := n.advance(ctx)
		if ctx.Err() != nil {
			break
		}
		n.tell(err)
		if err != nil {
			n.rest(ctx, nil, retry)
			retry = min(2*retry, lastRetry)
			continue
		}
		retry = firstRetry
		if err := saves.due(); err != nil {
			n.log.Warn("the tree is not saved", "err", err)
		}
		n.rest(ctx, n.wake, saveEvery)
	}
	if err := saves.now(); err != nil {
		n.log.Warn("the tree is not saved; its end is read from the log at the next start", "err", err)
	}
}

// saver saves a tree now and then.
type saver struct {
	tree  *tree.Tree
	began time.Time
	saved events.Position
}

func (s *saver) due() error {
	if time.Since(s.began) < saveEvery || s.tree.At().Position == s.saved {
		return nil
	}
	s.began = time.Now()
	return s.now()
}

func (s *saver) now() error {
	at := s.tree.At().Position
	err := s.tree.Save()
	if err == nil {
		s.saved = at
	}
	return err
}

// rest waits for something to do, or for time to pass.
func (n *Notary) rest(ctx context.Context, wake <-chan struct{}, atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tell notes why the tree stands still, or that it does not.
func (n *Notary) tell(err error) {
	var former error
	n.changed(func() {
		former, n.failure = n.failure, err
		n.agreed = err == nil || n.agreed && !errors.Is(err, ErrForked)
	})
	switch at := n.tree.At().Position; {
	case err != nil && (former == nil || former.Error() != err.Error()):
		n.log.Error("the tree over the log stands still, and checkpoints are not signed", "position", at, "err", err)
	case err == nil && former != nil:
		n.log.Info("the tree over the log grows again", "position", at)
	}
}

// advance takes the tree as far as the state.
func (n *Notary) advance(ctx context.Context) error {
	if err := n.renew(ctx); err != nil {
		return err
	}
	for {
		if err := n.drain(); err != nil {
			return err
		}
		goal, behind := n.begin()
		if !behind {
			return nil
		}
		err := n.catchUp(ctx, goal)
		var archived *journal.ArchivedError
		if errors.As(err, &archived) {
			if err = n.adopt(ctx, archived); err == nil {
				err = n.catchUp(ctx, goal)
			}
		}
		if err != nil {
			n.forget()
			return err
		}
	}
}

// begin lets records be queued from behind the state on, unless they are
// already, and returns how far the log must be read until then.
func (n *Notary) begin() (goal journal.Cursor, behind bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != 0 {
		return goal, false
	}
	goal = n.cfg.At()
	n.next, n.queue = goal.Position+1, nil
	return goal, true
}

// forget gives up the queue: the log has it all.
func (n *Notary) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next, n.queue = 0, nil
}

// drain puts what is queued into the tree.
func (n *Notary) drain() error {
	n.mu.Lock()
	queue := n.queue
	n.queue = nil
	n.mu.Unlock()
	for _, q := range queue {
		if err := n.tree.Append(q.leaf, q.chain); err != nil {
			n.forget()
			return err
		}
	}
	if len(queue) > 0 {
		n.changed(func() {})
	}
	return nil
}

// catchUp reads the log from where the tree stands up to a place.
func (n *Notary) catchUp(ctx context.Context, goal journal.Cursor) error {
	at := journal.Cursor(n.tree.At())
	if at.Position > goal.Position {
		return fmt.Errorf("%w: it reached %d and ends at %d", ErrForked, at.Position, goal.Position)
	}
	err := n.cfg.Read(ctx, at, goal.Position, func(r *journal.Record) error {
		at = r.Cursor()
		if err := n.tree.Append(tree.Leaf(r.Subject, r.Payload), r.Chain); err != nil {
			return err
		}
		if r.Position%maxQueued == 0 {
			return n.tree.Save() // a long way is not gone twice
		}
		return nil
	})
	if err == nil && at != goal {
		err = fmt.Errorf("%w before position %d", ErrForked, goal.Position)
	}
	return err
}

// renew makes a damaged tree anew from the log, which must agree with the root
// that was signed.
func (n *Notary) renew(ctx context.Context) error {
	n.mu.Lock()
	damaged := n.damaged
	n.agreed = n.agreed && !damaged
	n.mu.Unlock()
	if !damaged {
		return nil
	}
	n.forget()
	former, err := n.tree.Head()
	if err != nil {
		return err
	}
	if err := n.same(ctx, former); err != nil {
		return err
	}
	if err := n.tree.Reset(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.damaged = false
	return nil
}
