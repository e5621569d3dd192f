package guard_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// hammer calls on every replica from many goroutines at once, until each was
// refused some times, and returns how many calls passed.
func hammer(t *testing.T, token string, replicas ...*replica) int {
	t.Helper()
	var passed atomic.Int64
	var callers sync.WaitGroup
	for _, r := range replicas {
		for range 8 {
			callers.Go(func() {
				for refused := 0; refused < 5; {
					_, err := r.get(token)
					var full *oauth.Error
					switch {
					case err == nil:
						passed.Add(1)
					case errors.As(err, &full) && full.Status == 429:
						refused++
					default:
						t.Error(err)
						return
					}
				}
			})
		}
	}
	callers.Wait()
	return int(passed.Load())
}

func TestOneReplicaIsExact(t *testing.T) {
	for _, limits := range []struct {
		application, organization events.Limits
		want                      int
	}{
		{events.Limits{PerMinute: 1}, plenty, 1},
		{events.Limits{PerMinute: 50}, plenty, 50},
		{events.Limits{PerMinute: 1000, PerHour: 130}, plenty, 130},
		{plenty, events.Limits{PerMinute: 70}, 70},
		{plenty, events.Limits{PerMinute: 1000, PerHour: 90}, 90},
	} {
		t.Run(fmt.Sprint(limits.application, limits.organization), func(t *testing.T) {
			r := newSite(t).replica()
			r.acme(limits.organization)
			r.append(application("a1", limits.application))
			if got := hammer(t, r.token("a1", "read:customers", time.Hour), r); got != limits.want {
				t.Errorf("%d calls passed, want %d", got, limits.want)
			}
			r.stop()
			if got := r.shown("a1"); got != limits.want {
				t.Errorf("%d calls are accounted for, want %d", got, limits.want)
			}
		})
	}
}

// N replicas admit at most limit + (N-1)·(share-1) calls in a window, and the
// log comes to hold exactly those that passed.
func TestThreeReplicas(t *testing.T) {
	for _, limit := range []int{1, 20, 60, 200} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			s := newSite(t)
			replicas := []*replica{s.replica(), s.replica(), s.replica()}
			r := replicas[0]
			r.acme(plenty)
			r.append(application("a1", events.Limits{PerMinute: limit}))
			token := r.token("a1", "read:customers", time.Hour)
			for _, other := range replicas {
				other.base.Sync()
			}
			passed := hammer(t, token, replicas...)
			share := max(1, limit/20)
			if most := limit + 2*(share-1); passed > most {
				t.Errorf("%d calls passed, at most %d may", passed, most)
			}
			var hashes [][32]byte
			for _, r := range replicas {
				r.stop()
			}
			for _, r := range replicas {
				r.base.Sync()
				if got := r.shown("a1"); got != passed {
					t.Errorf("%d calls are accounted for, %d passed", got, passed)
				}
				r.base.View(func(s *projections.State) { hashes = append(hashes, s.Hash()) })
			}
			if hashes[0] != hashes[1] || hashes[0] != hashes[2] {
				t.Error("the replicas' states differ")
			}
		})
	}
}

// The bound is not idle: replicas that cannot see one another's latest calls
// reach it. Those that come to their share wait for the log instead.
func TestTheBoundIsMet(t *testing.T) {
	s := newSite(t)
	const limit, share = 100, 5
	blind := []*replica{s.idle(), s.idle(), s.idle()}
	r := s.replica()
	r.acme(plenty)
	r.append(application("a1", events.Limits{PerMinute: limit}))
	token := r.token("a1", "read:customers", time.Hour)
	passed := 0
	for _, b := range blind {
		b.base.Sync()
		for range share - 1 {
			if _, err := b.get(token); err != nil {
				t.Fatal(err)
			}
			passed++
		}
		if _, err := b.Check(cancelled(), call(token)); !errors.Is(err, context.Canceled) {
			t.Errorf("a replica let its share pass unseen: %v", err)
		}
	}
	for {
		_, err := r.get(token)
		if err != nil {
			break
		}
		passed++
	}
	if want := limit + 3*(share-1); passed != want {
		t.Errorf("%d calls passed on 4 replicas, want %d", passed, want)
	}
}

// The log's order decides who of those that wait passes.
func TestTheLogRefuses(t *testing.T) {
	s := newSite(t)
	one, two := s.idle(), s.replica()
	two.acme(plenty)
	two.append(application("a1", events.Limits{PerMinute: 1}))
	token := two.token("a1", "read:customers", time.Hour)
	one.base.Sync()
	verdict := make(chan error, 1)
	go func() {
		_, err := one.get(token) // counted here, not accounted for
		verdict <- err
	}()
	waitUntil(t, func() bool {
		pass, err := one.Check(cancelled(), call(token))
		return err != nil && pass.Quota.Minute.Remaining == 0 && !errors.Is(err, context.Canceled)
	})
	if _, err := two.get(token); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { one.Run(ctx) })
	var full *oauth.Error
	if err := <-verdict; !errors.As(err, &full) || full.Status != 429 || full.RetryAfter < 1 {
		t.Errorf("the second of two in the log: %v", err)
	}
	stop()
	run.Wait()
	two.base.Sync()
	if got := two.shown("a1"); got != 1 {
		t.Errorf("%d calls are accounted for, want 1", got)
	}
}

func TestARestartGrantsNoFreshBucket(t *testing.T) {
	s := newSite(t)
	first := s.replica()
	first.acme(plenty)
	first.append(application("a1", events.Limits{PerMinute: 200})) // share 10
	token := first.token("a1", "read:customers", time.Hour)
	for range 13 {
		if _, err := first.get(token); err != nil {
			t.Fatal(err)
		}
	}
	first.stop()
	stopped := s.idle()
	if got := stopped.shown("a1"); got != 13 {
		t.Errorf("after a stop %d calls are known, want 13", got)
	}
	for range 9 {
		if _, err := stopped.get(token); err != nil { // and then it is killed
			t.Fatal(err)
		}
	}
	if got := s.replica().shown("a1"); got != 13 {
		t.Errorf("after a kill %d calls are known, want 13 of 22: fewer than a share is lost", got)
	}
}

func TestChangedLimitsActAtOnceEverywhere(t *testing.T) {
	s := newSite(t)
	one, two := s.replica(), s.replica()
	one.acme(plenty)
	app := application("a1", events.Limits{PerMinute: 2})
	one.append(app)
	token := one.token("a1", "read:customers", time.Hour)
	two.base.Sync()
	change := func(limits events.Limits) {
		settings := app.ApplicationSettings
		settings.Limits = limits
		one.append(&events.ApplicationUpdated{ID: "a1", ApplicationSettings: settings})
		two.base.Sync()
	}
	if got := hammer(t, token, two); got != 2 {
		t.Fatalf("%d calls passed, want 2", got)
	}
	change(events.Limits{PerMinute: 5})
	if got := hammer(t, token, two); got != 3 {
		t.Errorf("%d more calls passed, want 3", got)
	}
	change(events.Limits{PerMinute: 1})
	pass, err := two.get(token)
	if err == nil || pass.Quota.Minute.Remaining != 0 || pass.Quota.Minute.Limit != 1 {
		t.Errorf("%v with %+v", err, pass.Quota.Minute)
	}
}

// The windows slide: what was called leaves them a minute and an hour later.
func TestWindowsSlide(t *testing.T) {
	s := newSite(t)
	r := s.replica()
	r.acme(plenty)
	r.append(application("a1", events.Limits{PerMinute: 10, PerHour: 25}))
	token := r.token("a1", "read:customers", 3*time.Hour)
	for i, want := range []int{10, 10, 5, 0} {
		if got := hammer(t, token, r); got != want {
			t.Errorf("minute %d: %d calls passed, want %d", i, got, want)
		}
		s.pass(61 * time.Second)
	}
	s.pass(58 * time.Minute)
	if got := hammer(t, token, r); got != 10 {
		t.Errorf("an hour later %d calls passed, want 10", got)
	}
}

// While the log cannot be written nobody passes that no other replica would
// see, and what was counted meanwhile is corrected later.
func TestWithoutTheLog(t *testing.T) {
	s := newSite(t)
	s.withoutLog = true
	r := s.replica()
	r.acme(plenty)
	r.append(application("a1", events.Limits{PerMinute: 60})) // share 3
	token := r.token("a1", "read:customers", time.Hour)
	s.env.Stop()
	passed := 0
	for range 4 {
		_, err := r.get(token)
		switch {
		case err == nil:
			passed++
		case !errors.Is(err, journal.ErrUnavailable) && !errors.Is(err, journal.ErrUncertain):
			t.Errorf("refused with %v", err)
		}
	}
	if passed != 2 {
		t.Errorf("%d calls passed without the log, want 2", passed)
	}
	s.env.Start()
	waitUntil(t, func() bool {
		_, err := r.get(token)
		if err == nil {
			passed++
		}
		return err == nil
	})
	r.stop()
	if got := r.shown("a1"); got != passed {
		t.Errorf("%d calls are accounted for, %d passed", got, passed)
	}
}

// A caller that goes away while it waits has not called.
func TestAbandonedCallsAreTakenBack(t *testing.T) {
	s := newSite(t)
	r := s.idle()
	r.acme(plenty)
	r.append(application("a1", events.Limits{PerMinute: 2})) // share 1: every call waits
	token := r.token("a1", "read:customers", time.Hour)
	for range 5 {
		if _, err := r.Check(cancelled(), call(token)); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	r.Run(ctx)
	if got := r.shown("a1"); got != 0 {
		t.Errorf("%d calls are accounted for, want none", got)
	}
}
