package revocations_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/revocations"
)

const listeners = 10_000

// The listeners of the benchmark are another process: with both ends of 10,000
// connections in one, most systems' limit of open files is met.
func TestMain(m *testing.M) {
	if address := os.Getenv("GRANTLOG_TEST_LISTEN"); address != "" {
		if err := crowd(address, os.Getenv("GRANTLOG_TEST_TOKEN")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// heard is when listeners got an ending, in Unix nanoseconds.
type heard struct {
	Position          events.Position
	Median, P99, Last int64
}

// crowd listens many times over and tells of every ending that all have heard.
func crowd(address, token string) error {
	out := json.NewEncoder(os.Stdout)
	var mu sync.Mutex
	times := map[events.Position][]int64{}
	var ready sync.WaitGroup
	for range listeners {
		l, err := listen(address, token, "")
		if err != nil {
			return err
		}
		ready.Add(1)
		go func() {
			_, err := l.next() // where it starts
			ready.Done()
			for err == nil {
				var at events.Position
				if at, err = l.ending(); err != nil {
					break
				}
				now := time.Now().UnixNano()
				mu.Lock()
				all := append(times[at], now)
				if times[at] = all; len(all) == listeners {
					slices.Sort(all)
					err = out.Encode(heard{at, all[listeners/2], all[listeners*99/100], all[listeners-1]})
					delete(times, at)
				}
				mu.Unlock()
			}
		}()
	}
	ready.Wait()
	if err := out.Encode(heard{}); err != nil {
		return err
	}
	_, err := bufio.NewReader(os.Stdin).ReadByte() // until the benchmark ends
	if err.Error() == "EOF" {
		return nil
	}
	return err
}

// BenchmarkListeners tells one ending after the other to 10,000 connections on
// loopback: how long after the feed was told of it the listeners have it, and
// what a listener costs in memory of the server.
func BenchmarkListeners(b *testing.B) {
	r := newReplica(b, revocations.Config{})
	before := memory()
	clients := exec.Command(os.Args[0], "-test.run=^$")
	clients.Env = append(os.Environ(), "GRANTLOG_TEST_LISTEN="+r.address, "GRANTLOG_TEST_TOKEN="+r.token)
	clients.Stderr = os.Stderr
	in, err := clients.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := clients.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := clients.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := clients.Wait(); err != nil {
			b.Error(err)
		}
	}()
	told := json.NewDecoder(out)
	next := func() (h heard) {
		if err := told.Decode(&h); err != nil {
			b.Fatal(err)
		}
		return h
	}
	next()
	each := float64(memory()-before) / listeners
	var median, p99, last time.Duration
	n := 0
	for b.Loop() {
		at := r.revoke(1)
		h := next()
		if h.Position != at {
			b.Fatalf("heard of %d, not of %d", h.Position, at)
		}
		since := func(ns int64) time.Duration { return time.Duration(ns - r.applied.Load()) }
		median, p99, last = median+since(h.Median), p99+since(h.P99), last+since(h.Last)
		n++
	}
	for unit, d := range map[string]time.Duration{"ms/median": median, "ms/p99": p99, "ms/last": last} {
		b.ReportMetric(float64(d.Microseconds())/1000/float64(n), unit)
	}
	b.ReportMetric(each, "B/listener")
}

// memory is what the process holds of heap and stacks after a collection.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
