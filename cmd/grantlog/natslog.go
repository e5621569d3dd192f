package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsLogger passes the embedded server's log on. What the server notes as
// routine is debug here. A fatal error, with which the server expects the
// process to end, is kept for whoever started it.
type natsLogger struct {
	log   *slog.Logger
	alarm chan<- struct{} // told of every error; capacity 1
	fatal atomic.Pointer[string]
	full  atomic.Bool            // an error said that the disk was
	aside bool                   // nothing is graver than debug: who started the server says what came of it
	last  atomic.Pointer[string] // error

	mu    sync.Mutex
	said  map[string]bool // errors, since
	since time.Time
}

// echoTime is how long an error is not said again. Members keep several
// connections to each other, and what ends one ends all.
const echoTime = time.Second

var _ server.Logger = (*natsLogger)(nil)

// routine are warnings that every start or stop of a member gives, and every
// start after a crash. What they may lead to, grantlog says itself.
var routine = []string{
	"Waiting for routing to be established",
	"JetStream has not established contact with a meta leader",
	"Metalayer blocking snapshot",
	"Stream state outdated",
	"Recovering stream state from index errored",
}

// unreached is in the error of a member that another one does not answer, as
// none does that has not started yet. What that leads to, grantlog says itself.
const unreached = "trying to connect to route"

func (l *natsLogger) Noticef(format string, v ...any) { l.log.Debug(natsText(format, v)) }
func (l *natsLogger) Debugf(format string, v ...any)  { l.log.Debug(natsText(format, v)) }
func (l *natsLogger) Tracef(format string, v ...any)  { l.log.Debug(natsText(format, v)) }

func (l *natsLogger) Warnf(format string, v ...any) {
	text := natsText(format, v)
	if l.aside || slices.ContainsFunc(routine, func(words string) bool { return strings.Contains(text, words) }) {
		l.log.Debug(text)
		return
	}
	l.log.Warn(text)
}

func (l *natsLogger) Errorf(format string, v ...any) {
	level, text := slog.LevelError, natsText(format, v)
	last := strings.TrimPrefix(text, natsSays)
	l.last.Store(&last)
	switch {
	case l.aside || l.echo(text, time.Now()):
		level = slog.LevelDebug
	case strings.Contains(text, unreached):
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, text)
	if speaksOfSpace(text) {
		l.full.Store(true)
	}
	select {
	case l.alarm <- struct{}{}:
	default:
	}
}

// echo reports whether an error was said just now.
func (l *natsLogger) echo(text string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said == nil || now.Sub(l.since) > echoTime {
		l.said, l.since = map[string]bool{}, now
	}
	again := l.said[text]
	l.said[text] = true
	return again
}

func (l *natsLogger) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.fatal.CompareAndSwap(nil, &text)
	l.log.Error(natsText("%s", []any{text}))
}

// natsSays begins every line of the server.
const natsSays = "nats: "

func natsText(format string, v []any) string { return natsSays + fmt.Sprintf(format, v...) }
