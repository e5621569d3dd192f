package login

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/password"
)

func TestTurnstile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ts turnstile
		pair, other := events.LoginPair{1}, events.LoginPair{2}
		left := 2
		may := func() (int, time.Duration) { return left, time.Minute }
		enter := func(p events.LoginPair) func() {
			t.Helper()
			leave, err := ts.enter(t.Context(), p, may)
			if err != nil {
				t.Fatal(err)
			}
			return leave
		}
		first, second := enter(pair), enter(pair)
		enter(other)() // another pair has its own line

		entered := make(chan func())
		go func() { entered <- enter(pair) }()
		synctest.Wait()
		select {
		case <-entered:
			t.Fatal("three are inside of two that may fail")
		default:
		}
		first() // it succeeded
		third := <-entered

		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { _, err := ts.enter(ctx, pair, may); gone <- err }()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who went away got %v", err)
		}

		refused := make(chan error)
		go func() { _, err := ts.enter(t.Context(), pair, may); refused <- err }()
		synctest.Wait()
		left = 0 // both failed
		second()
		if err := <-refused; !throttled(err, 60, 60) {
			t.Errorf("who waited got %v", err)
		}
		third()
		if len(ts.pairs) != 0 {
			t.Errorf("%d lines are left", len(ts.pairs))
		}
	})
}

func TestTurnstileIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ts turnstile
		pair := events.LoginPair{1}
		may := func() (int, time.Duration) { return 1, 0 }
		leave, err := ts.enter(t.Context(), pair, may)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range maxWaiting {
			go ts.enter(ctx, pair, may)
		}
		synctest.Wait()
		if _, err := ts.enter(ctx, pair, may); !errors.Is(err, password.ErrBusy) {
			t.Errorf("one too many got %v", err)
		}
		cancel()
		synctest.Wait()
		leave()
		if len(ts.pairs) != 0 {
			t.Errorf("%d lines are left", len(ts.pairs))
		}
	})
}
