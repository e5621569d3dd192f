package login

import (
	"context"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/password"
)

// maxWaiting is how many attempts of one pair may wait for one another.
const maxWaiting = 256

// turnstile lets no more attempts of a pair be under way than may still fail.
// The zero turnstile is empty.
type turnstile struct {
	mu    sync.Mutex
	pairs map[events.LoginPair]*line
}

// line is what there is of one pair. It exists while anybody is in it.
type line struct {
	inside, waiting int
	moved           chan struct{} // closed when somebody left
}

// enter waits until an attempt may be made; left says how many may still fail
// and, if none may, for how long. Whoever entered leaves once its outcome
// shows in left.
func (t *turnstile) enter(ctx context.Context, pair events.LoginPair, left func() (int, time.Duration)) (leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pairs == nil {
		t.pairs = map[events.LoginPair]*line{}
	}
	l := t.pairs[pair]
	if l == nil {
		l = &line{moved: make(chan struct{})}
		t.pairs[pair] = l
	}
	defer t.tidy(pair, l)
	for {
		n, wait := left()
		switch {
		case n == 0:
			return nil, tooManyFailures(wait)
		case l.inside < n:
			l.inside++
			return func() { t.leave(pair, l) }, nil
		case l.waiting == maxWaiting:
			return nil, password.ErrBusy
		}
		if err := t.wait(ctx, l); err != nil {
			return nil, err
		}
	}
}

// wait gives the lock up until somebody of the line leaves.
func (t *turnstile) wait(ctx context.Context, l *line) error {
	moved := l.moved
	l.waiting++
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		l.waiting--
	}()
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *turnstile) leave(pair events.LoginPair, l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.inside--
	close(l.moved)
	l.moved = make(chan struct{})
	t.tidy(pair, l)
}

func (t *turnstile) tidy(pair events.LoginPair, l *line) {
	if l.inside == 0 && l.waiting == 0 && t.pairs[pair] == l {
		delete(t.pairs, pair)
	}
}
