package main

import (
	"net/http"
	"sync/atomic"
)

// face is an HTTP handler that is exchanged while it serves.
type face struct{ shown atomic.Pointer[http.Handler] }

func (f *face) show(h http.Handler) { f.shown.Store(&h) }

// ServeHTTP implements http.Handler. show was called before.
func (f *face) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*f.shown.Load()).ServeHTTP(w, r) }
