package follow_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections/follow"
)

const depotBytes = 128 << 20

// BenchmarkDepot puts a snapshot of 128 MiB into the object store of a cluster
// of three and fetches it, while a lone caller appends to the log, and tells
// what the append takes meanwhile and without.
func BenchmarkDepot(b *testing.B) {
	nodes := journaltest.NewCluster(b)
	j := nodes[0].Open(journaltest.Replicated)
	depot, err := follow.NewDepot(nodes[1].Conn, journaltest.Nodes)
	if err != nil {
		b.Fatal(err)
	}
	snapshot := make([]byte, depotBytes)
	rand.Read(snapshot)
	dir := b.TempDir()
	file := filepath.Join(dir, "state-00000000000000000009.snapshot")
	if err := os.WriteFile(file, snapshot, 0o600); err != nil {
		b.Fatal(err)
	}
	quiet := make(chan struct{})
	time.AfterFunc(3*time.Second, func() { close(quiet) })
	alone := appendUntil(b, j, quiet)
	for _, c := range []struct {
		name string
		copy func() error
	}{
		{"put", func() error { return follow.Put(b.Context(), depot, file) }},
		{"fetch", func() error { return follow.Fetch(b.Context(), depot, filepath.Join(dir, "fetched")) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(depotBytes)
			for b.Loop() {
				done := make(chan struct{})
				go func() {
					defer close(done)
					if err := c.copy(); err != nil {
						b.Error(err)
					}
				}()
				took := appendUntil(b, j, done)
				for name, at := range map[string]int{"p50": 50, "p99": 99} {
					b.ReportMetric(percentile(alone, at), "ms-append-"+name+"-alone")
					b.ReportMetric(percentile(took, at), "ms-append-"+name)
				}
			}
		})
	}
}

// appendUntil appends beacons one after the other and returns what each took.
func appendUntil(b *testing.B, j *journal.Journal, done <-chan struct{}) (took []time.Duration) {
	for {
		select {
		case <-done:
			slices.Sort(took)
			return took
		default:
		}
		began := time.Now()
		if _, err := j.Append(b.Context(), events.BeaconsSubject(), event("", &events.BeaconSent{Nonce: "n"})); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
}

func percentile(sorted []time.Duration, at int) float64 {
	return float64(sorted[(len(sorted)-1)*at/100]) / float64(time.Millisecond)
}
