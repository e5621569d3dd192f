package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	for seen, want := range map[uint64]int{
		0: 1600, smallestScope: 1600, garbageRoom / 8: 800, garbageRoom / 2: 200, garbageRoom: 100, 20 * garbageRoom: 100, 1 << 40: 100,
	} {
		if got := percentFor(seen); got != want {
			t.Errorf("of %d bytes: %d %%, want %d", seen, got, want)
		}
	}
}

// The percentage follows what is live: back to the usual once that is much.
func TestCollectorFollowsTheHeap(t *testing.T) {
	runtime.GC()
	if small := collectorPercent(); small < 2*usualPercent {
		t.Skipf("%d bytes are live in this process already", garbageRoom/2)
	}
	giveGarbageRoom(func(string) (string, bool) { return "", false })
	if now := percentNow(); now <= usualPercent {
		t.Errorf("with little to see the percentage is %d", now)
	}
	live := make([]byte, 2*garbageRoom)
	for end := time.Now().Add(patience); percentNow() != usualPercent; runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("with %d bytes live the percentage is %d", len(live), percentNow())
		}
	}
	runtime.KeepAlive(live)
}

// percentNow is what the collector works by.
func percentNow() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
