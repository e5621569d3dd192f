package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Section 1: requests in flight have a time to finish in. One that takes
// longer does not make a failure of the stop.
func TestRequestsThatDoNotFinish(t *testing.T) {
	var out logBuffer
	r := &replica{log: newLogger(&out, logLevel(slog.LevelInfo), "text")}
	var err error
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	r.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done() // until it is cut off
	}))
	cut := make(chan error, 1)
	go func() {
		_, err := http.Get(r.url())
		cut <- err
	}()
	<-entered
	if err := r.finish(time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := <-cut; err == nil {
		t.Error("the request was answered")
	}
	if err := <-r.served; err != http.ErrServerClosed {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "still in flight") {
		t.Errorf("logged %q", out.String())
	}
}

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
