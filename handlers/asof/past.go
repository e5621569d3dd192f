package asof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
)

// maxWorks is how many states are folded at once, and maxFinds how many tokens
// are looked for in what is kept.
const (
	maxWorks = 2
	maxFinds = 4
)

// Refusals.
var (
	errBusy = &oauth.Error{
		Status: http.StatusServiceUnavailable, Code: oauth.CodeUnavailable,
		Message: "Other requests are reading the past; retry", RetryAfter: 2,
	}
	errBeyond  = oauth.Invalid("as_of is a position that the log has not reached")
	errReplica = oauth.Invalid("No record of that replica tells what it had applied by then")
)

// question is what a request asks: a moment, if not the log itself the replica
// whose view of it is meant, and whether all tokens are needed.
type question struct {
	at      replay.Moment
	replica string
	whole   bool
}

// past is a state of the past, whole or in outline.
type past struct{ replay.Outline }

func (p past) view(read func(*projections.State)) { read(p.State) }

// works are the foldings that are under way. Requests with one question share
// one; a folding that nobody waits for any more is given up.
type works struct {
	mu      sync.Mutex
	flights map[question]*flight
	running int
}

type flight struct {
	done    chan struct{} // closed when what follows is set
	past    past
	err     error
	waiting int
	cancel  context.CancelFunc
}

// past returns the state that a question is about.
func (r *Reader) past(ctx context.Context, q question) (past, error) {
	last, err := r.Log.Last(ctx)
	if err != nil {
		return past{}, err
	}
	if q.at.Position > last {
		return past{}, errBeyond
	}
	if q.replica == "" {
		if p, ok := r.shelf.find(q.at, last, q.whole); ok {
			return p, nil
		}
	}
	f, err := r.join(ctx, q)
	if err != nil {
		return past{}, err
	}
	select {
	case <-f.done:
		return f.past, f.err
	case <-ctx.Done():
		r.works.leave(q, f)
		return past{}, context.Cause(ctx)
	}
}

// join waits with those who have the same question, or begins to answer it.
func (r *Reader) join(ctx context.Context, q question) (*flight, error) {
	w := &r.works
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.flights[q]; f != nil {
		f.waiting++
		return f, nil
	}
	if w.running == maxWorks {
		return nil, errBusy
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{done: make(chan struct{}), waiting: 1, cancel: cancel}
	w.flights[q] = f
	w.running++
	go func() {
		defer cancel()
		f.past, f.err = r.fold(ctx, q)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running--
		w.forget(q, f)
		close(f.done)
	}()
	return f, nil
}

// leave gives up a folding that nobody waits for any more.
func (w *works) leave(q question, f *flight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		w.forget(q, f)
	}
}

func (w *works) forget(q question, f *flight) {
	if w.flights[q] == f {
		delete(w.flights, q)
	}
}

// fold answers a question from the log.
func (r *Reader) fold(ctx context.Context, q question) (past, error) {
	at := q.at
	if q.replica != "" {
		applied, err := replay.AppliedBy(ctx, r.Log, r.History, at, q.replica)
		if err != nil {
			return past{}, explain(err)
		}
		if applied == 0 {
			return past{}, errReplica
		}
		at = replay.Moment{Position: applied}
		if p, ok := r.shelf.find(at, applied, q.whole); ok {
			return p, nil
		}
	}
	p, err := r.near(ctx, at, q.whole)
	if err != nil {
		return past{}, explain(err)
	}
	r.shelf.add(p)
	return p, nil
}

func (r *Reader) near(ctx context.Context, at replay.Moment, whole bool) (p past, err error) {
	if !whole {
		p.Outline, err = replay.NearOutline(ctx, r.Log, r.History, at)
		if !errors.Is(err, replay.ErrFar) {
			return p, err
		}
	}
	p.Outline = replay.Outline{}
	p.Past, err = replay.Near(ctx, r.Log, r.History, at, nil)
	return p, err
}

// explain tells a log that is damaged, which nobody can answer from, from one
// that cannot be reached.
func explain(err error) error {
	var gap *journal.GapError
	var damage *journal.DamageError
	var unknown *events.UnknownTypeError
	switch {
	case errors.Is(err, replay.ErrBeyond):
		return errBeyond
	case errors.As(err, &gap), errors.As(err, &damage), errors.As(err, &unknown):
		return fmt.Errorf("%w: %w", follow.ErrDamaged, err)
	}
	return err
}
