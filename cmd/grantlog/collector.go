package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// garbageRoom is how much garbage may gather, at least, before it is
	// collected. Left alone, the collector runs whenever the heap has doubled:
	// under load, a server with a small state collects many times a second.
	// Once the state is larger than this, nothing is changed.
	garbageRoom = 64 << 20

	usualPercent  = 100     // of the collector
	smallestScope = 4 << 20 // bytes that it sees, at least: before the first time it does not tell
)

// scope is what the collector's percentage is of.
var scope = []string{"/gc/heap/live:bytes", "/gc/scan/stack:bytes", "/gc/scan/globals:bytes"}

// giveGarbageRoom is for a server that runs until the process ends. Whoever
// sets GOGC knows better, and a limit of memory (GOMEMLIMIT) holds anyway.
func giveGarbageRoom(lookupEnv func(string) (string, bool)) {
	if _, set := lookupEnv("GOGC"); !set {
		adjustCollector(usualPercent)
	}
}

// adjustCollector sets the percentage anew now and after every collection.
func adjustCollector(percent int) {
	if wanted := collectorPercent(); wanted < percent || wanted-percent > percent/8 { // setting it stops the world
		debug.SetGCPercent(wanted)
		percent = wanted
	}
	// Garbage at once: its cleanup runs with the next collection.
	runtime.AddCleanup(&struct{ _ *byte }{}, adjustCollector, percent)
}

// collectorPercent is what the percentage should be now.
func collectorPercent() int {
	samples := make([]metrics.Sample, len(scope))
	for i, name := range scope {
		samples[i].Name = name
	}
	metrics.Read(samples)
	seen := uint64(0)
	for _, s := range samples {
		seen += s.Value.Uint64()
	}
	return percentFor(seen)
}

// percentFor leaves the room for garbage above what the collector sees.
func percentFor(seen uint64) int {
	return max(usualPercent, int(100*garbageRoom/max(seen, smallestScope)))
}
