package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// face is an HTTP handler that is exchanged while it serves.
type face struct {
	shown    atomic.Pointer[http.Handler]
	stopping atomic.Bool  // what comes now is not waited for
	underway atomic.Int64 // requests that came before
}

func (f *face) show(h http.Handler) { f.shown.Store(&h) }

// ServeHTTP implements http.Handler. show was called before. A tunnel is no
// request that finishes.
func (f *face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.stopping.Load() && r.Header.Get("Upgrade") == "" {
		f.underway.Add(1)
		defer f.underway.Add(-1)
	}
	(*f.shown.Load()).ServeHTTP(w, r)
}

// finish waits, as long as ctx lasts, for the requests that are under way. It
// answers those that come meanwhile: who asks /readyz is to hear of the end
// before connections are refused.
func (f *face) finish(ctx context.Context) {
	f.stopping.Store(true)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for f.underway.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
