package revocations_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/handlers/revocations"
)

// Every listener hears every ending once and in order, while some of them do
// not read at all. Those are dropped; when they come back with the last id they
// got, they miss nothing.
func TestManyListeners(t *testing.T) {
	t.Parallel()
	const (
		all    = 1000
		silent = 30
		count  = 30
	)
	r := newReplica(t, revocations.Config{Patience: time.Second})
	crowd := make([]*listener, all)
	for i := range crowd {
		l, err := listen(r.address, r.token, "")
		if err != nil {
			t.Fatal(err)
		}
		crowd[i] = l
	}
	defer func() {
		for _, l := range crowd {
			l.Close()
		}
	}()
	// All begin before the first ending: the answer starts with an id alone.
	for _, l := range crowd {
		if _, err := l.next(); err != nil {
			t.Fatal(err)
		}
	}
	var want []events.Position
	var work sync.WaitGroup
	work.Go(func() {
		for range count { // more than connections hold that nobody reads from
			want = append(want, r.revoke(400))
		}
	})
	heard := make([][]events.Position, all)
	hear := func(i int) {
		work.Go(func() {
			for len(heard[i]) < count {
				at, err := crowd[i].ending()
				if err != nil {
					if err = crowd[i].resume(r); err != nil {
						t.Error(err)
						return
					}
					continue
				}
				heard[i] = append(heard[i], at)
			}
		})
	}
	for i := silent; i < all; i++ {
		hear(i)
	}
	work.Wait()
	dropped, cancel := context.WithTimeout(t.Context(), emittest.Patience)
	defer cancel()
	for tick := time.Tick(10 * time.Millisecond); r.open.Load() > all-silent; {
		select {
		case <-tick:
		case <-dropped.Done():
			t.Fatalf("%d connections are open; %d listeners do not read", r.open.Load(), silent)
		}
	}
	for i := range silent {
		hear(i)
	}
	work.Wait()
	for i, got := range heard {
		if !slices.Equal(got, want) {
			t.Errorf("listener %d heard %v, want %v", i, got, want)
		}
	}
}

// resume comes back after a connection broke off.
func (l *listener) resume(r *replica) error {
	l.Close()
	again, err := listen(r.address, r.token, l.id)
	if err != nil {
		return fmt.Errorf("resume after %s: %w", l.id, err)
	}
	*l = *again
	_, err = l.next()
	return err
}
