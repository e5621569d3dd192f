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

// maxWorks is how many states are folded at once.
const maxWorks = 2

// Refusals.
var (
	errBusy = &oauth.Error{
		Status: http.StatusServiceUnavailable, Code: oauth.CodeUnavailable,
		Message: "Other requests are reading the past; retry", RetryAfter: 2,
	}
	errBeyond  = oauth.Invalid("as_of is a position that the log has not reached")
	errReplica = oauth.Invalid("No record of that replica tells what it had applied by then")
)

// question is what a request asks: a moment and, if not the log itself, the
// replica whose view of it is meant.
type question struct {
	at      replay.Moment
	replica string
}

// works are the foldings that are under way. Requests with one question share
// one; a folding that nobody waits for any more is given up.
type works struct {
	mu      sync.Mutex
	flights map[question]*flight
	running int
}

type flight struct {
	done    chan struct{} // closed when what follows is set
	state   *projections.State
	err     error
	waiting int
	cancel  context.CancelFunc
}

// past returns the state that a question is about.
func (r *Reader) past(ctx context.Context, q question) (*projections.State, error) {
	last, err := r.Log.Last(ctx)
	if err != nil {
		return nil, err
	}
	if q.at.Position > last {
		return nil, errBeyond
	}
	if q.replica == "" {
		if past, ok := r.shelf.find(q.at, last); ok {
			return past.State, nil
		}
	}
	f, err := r.join(ctx, q)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		return f.state, f.err
	case <-ctx.Done():
		r.works.leave(q, f)
		return nil, context.Cause(ctx)
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
		f.state, f.err = r.fold(ctx, q)
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
func (r *Reader) fold(ctx context.Context, q question) (*projections.State, error) {
	at := q.at
	if q.replica != "" {
		applied, err := replay.AppliedBy(ctx, r.Log, at, q.replica)
		if err != nil {
			return nil, explain(err)
		}
		if applied == 0 {
			return nil, errReplica
		}
		at = replay.Moment{Position: applied}
		if past, ok := r.shelf.find(at, applied); ok {
			return past.State, nil
		}
	}
	past, err := replay.Near(ctx, r.Log, r.History, at, nil)
	if err != nil {
		return nil, explain(err)
	}
	r.shelf.add(past)
	return past.State, nil
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
