package journal_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

func TestAppendWritesEachEventOnceInCallOrder(t *testing.T) {
	const callers, calls = 24, 40
	j := journaltest.New(t).Open()
	subjects := []string{events.TokensSubject(), events.RevocationsSubject("acme"), events.BeaconsSubject()}

	// Given callers that append one to three events a call,
	acked := make([]map[string]events.Position, callers)
	var wg sync.WaitGroup
	for c := range callers {
		acked[c] = map[string]events.Position{}
		wg.Go(func() {
			for call := range calls {
				var evs []*events.Event
				for i := range 1 + call%3 {
					evs = append(evs, beacon(fmt.Sprintf("%d/%d/%d", c, call, i)))
				}
				pos, err := j.Append(t.Context(), subjects[c%len(subjects)], evs...)
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range evs {
					acked[c][e.Data.(*events.BeaconSent).Nonce] = pos
				}
			}
		})
	}
	wg.Wait()

	// then every event stands once, where its ack said, and a caller's events
	// stand in the caller's order.
	found := make([]map[string]events.Position, callers)
	order := make([]int, callers)
	pages := readAll(t, j)
	for _, p := range pages {
		for _, nonce := range p.Nonces {
			part := strings.Split(nonce, "/")
			c, _ := strconv.Atoi(part[0])
			call, _ := strconv.Atoi(part[1])
			i, _ := strconv.Atoi(part[2])
			if found[c] == nil {
				found[c] = map[string]events.Position{}
			}
			if at, twice := found[c][nonce]; twice {
				t.Errorf("event %s stands at %d and %d", nonce, at, p.Position)
			}
			found[c][nonce] = p.Position
			if next := call*3 + i; next < order[c] {
				t.Errorf("event %s stands after a later one", nonce)
			} else {
				order[c] = next
			}
			if want := subjects[c%len(subjects)]; p.Subject != want {
				t.Errorf("event %s is on %s, want %s", nonce, p.Subject, want)
			}
		}
	}
	if diff := cmp.Diff(acked, found); diff != "" {
		t.Errorf("positions acked and found (-acked +found):\n%s", diff)
	}
	if len(pages) >= callers*calls {
		t.Errorf("%d pages for %d calls: nothing was shared", len(pages), callers*calls)
	}
}

func TestAppendSharesPagesUpToTheirCaps(t *testing.T) {
	gate := newGate()
	j := journaltest.New(t).Open()
	j.SetSeen(gate.seen)

	// Given a first page that is not sent yet, and calls that wait behind it,
	var wg sync.WaitGroup
	add := func(n int) {
		evs := make([]*events.Event, n)
		for i := range evs {
			evs[i] = beacon("n")
		}
		wg.Go(func() { mustAppend(t, j, events.BeaconsSubject(), evs...) })
	}
	add(1)
	<-gate.entered
	for i, n := range []int{600, 400, 1, 999, 1, 1200, 2} {
		add(n)
		waitUntil(t, func() bool { return j.Queued(events.BeaconsSubject()) == i+1 })
	}
	gate.open()
	wg.Wait()

	// then pages hold whole calls, in order, at most 1000 events unless one
	// call alone has more.
	var sizes []int
	for _, p := range readAll(t, j) {
		sizes = append(sizes, p.Events)
	}
	if diff := cmp.Diff([]int{1, 1000, 1000, 1, 1200, 2}, sizes); diff != "" {
		t.Errorf("events per page (-want +got):\n%s", diff)
	}
}

func TestAppendRefusesWhatCannotBeWritten(t *testing.T) {
	j := journaltest.New(t).Open()
	big := event(&events.BeaconSent{Nonce: strings.Repeat("x", 1<<20)})
	unknown := beacon("x")
	unknown.Type = "beacon.unheard_of"
	for name, evs := range map[string][]*events.Event{
		"too large":    {big},
		"no events":    {},
		"unknown type": {unknown},
	} {
		if _, err := j.Append(t.Context(), events.BeaconsSubject(), evs...); err == nil {
			t.Errorf("%s: appended", name)
		}
		if _, err := j.AppendIf(t.Context(), events.BeaconsSubject(), 0, evs...); err == nil {
			t.Errorf("%s: appended with a guard", name)
		}
	}
	if _, err := j.Append(t.Context(), events.BeaconsSubject(), big); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if last := lastOf(t, j); last != 0 {
		t.Errorf("the log has %d records", last)
	}
}

func TestAppendWhoseCallerLeaves(t *testing.T) {
	gate := newGate()
	j := journaltest.New(t).Open()
	j.SetSeen(gate.seen)
	ctx, leave := context.WithCancel(t.Context())
	results := make(chan error, 3)
	call := func(ctx context.Context, nonce string) {
		_, err := j.Append(ctx, events.BeaconsSubject(), beacon(nonce))
		results <- err
	}

	// Given a call that is being sent, one that waits and leaves, and one that
	// waits and stays,
	go call(ctx, "sent")
	<-gate.entered
	go call(ctx, "withdrawn")
	waitUntil(t, func() bool { return j.Queued(events.BeaconsSubject()) == 1 })
	leave()
	first, second := <-results, <-results
	if errors.Is(first, journal.ErrUnavailable) {
		first, second = second, first
	}
	if !errors.Is(first, journal.ErrUncertain) || !errors.Is(first, context.Canceled) {
		t.Errorf("sent: %v", first)
	}
	if !errors.Is(second, journal.ErrUnavailable) || !errors.Is(second, context.Canceled) {
		t.Errorf("withdrawn: %v", second)
	}
	go call(t.Context(), "stayed")
	waitUntil(t, func() bool { return j.Queued(events.BeaconsSubject()) == 1 })
	gate.open()
	if err := <-results; err != nil {
		t.Errorf("stayed: %v", err)
	}

	// then the log has what was sent and what stayed.
	var nonces []string
	for _, p := range readAll(t, j) {
		nonces = append(nonces, p.Nonces...)
	}
	if diff := cmp.Diff([]string{"sent", "stayed"}, nonces); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

func TestAppendToAFullQueue(t *testing.T) {
	gate := newGate()
	j := journaltest.New(t).Open()
	j.SetSeen(gate.seen)
	var wg sync.WaitGroup
	many := make([]*events.Event, 2048)
	for i := range many {
		many[i] = beacon("n")
	}
	wg.Go(func() { mustAppend(t, j, events.BeaconsSubject(), beacon("first")) })
	<-gate.entered
	for range journal.MaxQueuedEvents / len(many) {
		wg.Go(func() { mustAppend(t, j, events.BeaconsSubject(), many...) })
	}
	waitUntil(t, func() bool { return j.Queued(events.BeaconsSubject()) == journal.MaxQueuedEvents/len(many) })

	_, err := j.Append(t.Context(), events.BeaconsSubject(), beacon("one too many"))
	if !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("full queue: %v", err)
	}
	gate.open()
	wg.Wait()
}
