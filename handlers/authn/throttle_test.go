package authn

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestThrottleBlocksOnlyThePair(t *testing.T) {
	th, bad := newThrottle(), pairOf("app", "192.0.2.1")
	for i := range maxFailures {
		now := start.Add(time.Duration(i) * time.Second)
		if wait := th.blocked(bad, now); wait != 0 {
			t.Fatalf("blocked for %v after %d failures", wait, i)
		}
		th.failed(bad, now)
	}
	now := start.Add(maxFailures * time.Second)
	if wait := th.blocked(bad, now); wait != window-maxFailures*time.Second {
		t.Errorf("blocked for %v", wait)
	}
	for _, other := range []pair{pairOf("app", "192.0.2.2"), pairOf("other", "192.0.2.1")} {
		if wait := th.blocked(other, now); wait != 0 {
			t.Errorf("another pair is blocked for %v", wait)
		}
	}
	if wait := th.blocked(bad, start.Add(window)); wait != 0 {
		t.Errorf("still blocked for %v when the oldest failure left the window", wait)
	}
}

// TestThrottleAgainstModel compares with a list of all failure times.
func TestThrottleAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th, now := newThrottle(), start
		model := map[pair][]time.Time{}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 9000).Draw(t, "ms")) * time.Millisecond)
			p := pairOf(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "client"), "192.0.2.1")
			var want time.Duration
			if times := model[p]; len(times) >= maxFailures {
				want = max(0, times[len(times)-maxFailures].Add(window).Sub(now))
			}
			if got := th.blocked(p, now); got != want {
				t.Fatalf("blocked for %v, want %v", got, want)
			}
			if want == 0 {
				th.failed(p, now)
				model[p] = append(model[p], now)
			}
		}
	})
}

func TestThrottleIsBounded(t *testing.T) {
	th := newThrottle()
	for i := range 3 * maxPairs {
		th.failed(pair{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}, start)
	}
	if n := len(th.current) + len(th.former); n > 2*maxPairs {
		t.Errorf("%d pairs kept", n)
	}
}
