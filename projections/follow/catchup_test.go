package follow_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// What was acknowledged anywhere is shown after CatchUp, and many calls do not
// make as many records.
func TestCatchUp(t *testing.T) {
	for name, single := range map[string]bool{"single": true, "cluster": false} {
		t.Run(name, func(t *testing.T) {
			env := journaltest.New(t)
			r := newReplica(t, env)
			r.config.Single = single
			f := r.start()
			other := newReplica(t, env)
			other.write("o1", "o2")
			before := f.Position()
			const calls = 200
			var all sync.WaitGroup
			for range calls {
				all.Go(func() {
					if err := f.CatchUp(t.Context()); err != nil {
						t.Error(err)
					}
					if !knows(f, "o2") {
						t.Error("it returned before all was shown")
					}
				})
			}
			all.Wait()
			if made := f.Position() - before; made > calls/2 {
				t.Errorf("%d calls made %d records", calls, made)
			}
		})
	}
}

func TestCatchUpEndsWithItsContextAndWithTheFollower(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	r.config.Single = false
	f := r.start()
	env.Stop()
	gone, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the client left")
	cancel(cause)
	if err := f.CatchUp(gone); !errors.Is(err, cause) {
		t.Errorf("left with %v", err)
	}
	ended := make(chan error)
	go func() { ended <- f.CatchUp(t.Context()) }()
	end(t, f)
	if err := <-ended; err == nil {
		t.Error("it returned without the log")
	}
}
