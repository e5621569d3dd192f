package command

import (
	"errors"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

var (
	// ErrRepeated says that the log shows the request already: its answer is to
	// be made again, from what the log remembers.
	ErrRepeated = errors.New("command: the request was decided before")
	// ErrKeyReused refuses another request under one Idempotency-Key.
	ErrKeyReused = &Error{KindKeyReused, "The Idempotency-Key was used for another request"}
	// ErrMadeIsGone is the answer to a repetition if what the first request made
	// has ended since: it is not made again.
	ErrMadeIsGone = &Error{KindGone, "What this Idempotency-Key made was deleted or replaced since"}
)

// FindRequest returns the first request of a key: nil if the log does not
// remember one, ErrKeyReused if it asked for something else.
func FindRequest(s *projections.State, now time.Time, r *events.RequestKeyed) (*projections.Request, error) {
	if s.Time.After(now) {
		now = s.Time // the log's time is what counts when it is recorded
	}
	first, ok := s.Requests.Find(r.Key, now)
	if !ok {
		return nil, nil
	}
	if first.Request != r.Request {
		return nil, ErrKeyReused
	}
	return first, nil
}

// Once makes a decision about a request that counts once: ErrRepeated if the
// log shows it already. Of two that are decided at once on two replicas the log
// lets the first one count. Without a request it is decide.
func Once(s *projections.State, now time.Time, r *events.RequestKeyed, decide func() (Decision, error)) (Decision, error) {
	if r == nil {
		return decide()
	}
	first, err := FindRequest(s, now, r)
	if first != nil {
		err = ErrRepeated
	}
	if err != nil {
		return Decision{}, err
	}
	d, err := decide()
	if err != nil {
		return Decision{}, err
	}
	keyed := *r
	keyed.Covers = len(d.Events)
	d.Events = append([]events.Data{&keyed}, d.Events...)
	return d, nil
}
