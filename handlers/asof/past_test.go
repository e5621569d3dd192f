package asof_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/replay"
)

// gate is a log whose readings are held back: each says how far it goes and
// waits.
type gate struct {
	replay.Log
	began   chan events.Position
	release chan struct{}
}

func (g gate) Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error {
	g.began <- to
	<-g.release
	return g.Log.Read(ctx, from, to, fn)
}

func newGate(log replay.Log) gate {
	return gate{log, make(chan events.Position, 10), make(chan struct{})}
}

func ask(ctx context.Context, r *asof.Reader, position int) error {
	c, _ := request(ctx, url.Values{"as_of": {strconv.Itoa(position)}})
	_, err := r.Query(c)
	return err
}

func TestFoldingsAreBounded(t *testing.T) {
	s := newSite(t, "o1", "o2", "o3")
	g := newGate(s.journal)
	s.config.Log, s.config.History = g, nil
	r := asof.New(s.config)
	var work sync.WaitGroup
	errs := make(chan error, 10)
	for _, position := range []int{1, 2} {
		work.Go(func() { errs <- ask(t.Context(), r, position) })
		<-g.began
	}
	var refusal *oauth.Error
	if err := ask(t.Context(), r, 3); !errors.As(err, &refusal) || refusal.Status != http.StatusServiceUnavailable || refusal.RetryAfter == 0 {
		t.Errorf("the third at once: %v", err)
	}
	close(g.release)
	work.Wait()
	if err := ask(t.Context(), r, 3); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

// What nobody waits for any more is given up, and leaves its place to others.
func TestAbandonedFoldingMakesRoom(t *testing.T) {
	s := newSite(t, "o1", "o2")
	g := newGate(s.journal)
	s.config.Log, s.config.History = g, nil
	r := asof.New(s.config)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 2 { // they share one
		work.Go(func() {
			if err := ask(ctx, r, 1); !errors.Is(err, context.Canceled) {
				t.Errorf("abandoned: %v", err)
			}
		})
	}
	<-g.began
	cancel()
	work.Wait()
	close(g.release)
	for _, position := range []int{1, 2} {
		// What was given up leaves its place when it has noticed.
		var refusal *oauth.Error
		err := ask(t.Context(), r, position)
		for errors.As(err, &refusal) && t.Context().Err() == nil {
			runtime.Gosched()
			err = ask(t.Context(), r, position)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// Few states are kept, those that were asked for last.
func TestKeptStatesAreBounded(t *testing.T) {
	s := newSite(t, "o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8", "o9", "o10")
	g := newGate(s.journal)
	close(g.release)
	s.config.Log, s.config.History = g, nil
	r := asof.New(s.config)
	for _, position := range []int{1, 2, 3, 4, 5, 6, 7, 8, 1, 9, 1, 2} {
		if err := ask(t.Context(), r, position); err != nil {
			t.Fatal(err)
		}
	}
	var folded []events.Position
	for len(g.began) > 0 {
		folded = append(folded, <-g.began)
	}
	want := []events.Position{1, 2, 3, 4, 5, 6, 7, 8, 9, 2}
	if len(folded) != len(want) || folded[8] != 9 || folded[9] != 2 {
		t.Errorf("folded %v, want %v", folded, want)
	}
}
