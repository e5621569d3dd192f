package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// What was under way is waited for: no tunnel, and nothing that came later.
func TestFinish(t *testing.T) {
	var f face
	entered, leave := make(chan string), map[string]chan struct{}{}
	for _, name := range []string{"request", "tunnel", "late"} {
		leave[name] = make(chan struct{})
	}
	f.show(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[1:]
		entered <- name
		<-leave[name]
	}))
	var work sync.WaitGroup
	defer work.Wait()
	ask := func(name, upgrade string) {
		r := httptest.NewRequest(http.MethodGet, "/"+name, nil)
		if upgrade != "" {
			r.Header.Set("Upgrade", upgrade)
		}
		work.Go(func() { f.ServeHTTP(httptest.NewRecorder(), r) })
		if got := <-entered; got != name {
			t.Error(got)
		}
	}
	ask("request", "")
	ask("tunnel", "websocket")

	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	f.finish(impatient)
	if f.underway.Load() != 1 {
		t.Errorf("%d requests are under way", f.underway.Load())
	}
	finished := make(chan struct{})
	work.Go(func() {
		f.finish(t.Context())
		close(finished)
	})
	ask("late", "")
	select {
	case <-finished:
		t.Error("it did not wait")
	default:
	}
	close(leave["request"])
	<-finished
	close(leave["tunnel"])
	close(leave["late"])
}
