package journal_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

func TestIdleSubjectsCostNothing(t *testing.T) {
	j := journaltest.New(t).Open()
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			mustAppend(t, j, events.RevocationsSubject(fmt.Sprintf("org-%d", i)), beacon("x"))
		})
	}
	wg.Wait()
	waitUntil(t, func() bool { return j.Committers() == 0 })
}

func TestCloseWaitsForAppendsUnderWay(t *testing.T) {
	gate := newGate()
	j := journaltest.New(t).Open()
	j.SetSeen(gate.seen)
	appended := make(chan error, 1)
	go func() {
		_, err := j.Append(t.Context(), events.BeaconsSubject(), beacon("under way"))
		appended <- err
	}()
	<-gate.entered
	closed := make(chan error, 1)
	go func() { closed <- j.Close(t.Context()) }()
	waitUntil(t, func() bool {
		_, err := j.Append(canceled(), events.BeaconsSubject(), beacon("late"))
		return errors.Is(err, journal.ErrClosed)
	})
	_, err := j.AppendIf(t.Context(), events.KeysSubject(), 0, beacon("late"))
	if !errors.Is(err, journal.ErrUnavailable) || !errors.Is(err, journal.ErrClosed) {
		t.Errorf("guarded append after close: %v", err)
	}
	gate.open()
	if err := <-appended; err != nil {
		t.Errorf("append under way: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if pages := readAll(t, j); len(pages) != 1 {
		t.Errorf("%d pages, want 1", len(pages))
	}
}

func TestCloseAbandonsWhatCannotBeSettled(t *testing.T) {
	env := journaltest.New(t)
	j := env.Open()
	env.Break(journaltest.Fault{Then: func() { env.Stop() }})
	results := make(chan error, 2)
	go func() {
		_, err := j.Append(t.Context(), events.BeaconsSubject(), beacon("x"))
		results <- err
	}()
	go func() {
		_, err := j.AppendIf(t.Context(), events.KeysSubject(), 0, beacon("x"))
		results <- err
	}()
	waitUntil(t, func() bool { return !env.Conn.IsConnected() })
	if err := j.Close(canceled()); !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v", err)
	}
	for range 2 {
		if err := <-results; !errors.Is(err, journal.ErrUncertain) && !errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("append: %v", err)
		}
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
