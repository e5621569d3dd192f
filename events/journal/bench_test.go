package journal_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// BenchmarkAppend writes one event per call, with an fsync per page.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			var pages atomic.Int64
			j := journaltest.New(b).Open(func(c *journal.Config) {
				c.Observe = func(journal.Commit) { pages.Add(1) }
			})
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for next.Add(1) <= int64(b.N) {
						if _, err := j.Append(b.Context(), events.TokensSubject(), issued()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(b.N)/float64(pages.Load()), "events/page")
		})
	}
}

// BenchmarkTail replays a million issuances in pages of a thousand and decodes
// every event.
func BenchmarkTail(b *testing.B) {
	const pages, perPage = 1000, 1000
	j := journaltest.New(b).Open()
	evs := make([]*events.Event, perPage)
	for range pages {
		for i := range evs {
			evs[i] = issued()
		}
		if _, err := j.Append(b.Context(), events.TokensSubject(), evs...); err != nil {
			b.Fatal(err)
		}
	}
	var bytes, n int
	for b.Loop() {
		bytes, n = 0, 0
		ctx, cancel := context.WithCancel(b.Context())
		began := time.Now()
		err := j.Tail(ctx, journal.Cursor{}, func(r *journal.Record) error {
			for _, err := range r.Events() {
				if err != nil {
					return err
				}
				n++
			}
			bytes += r.Bytes
			if r.Position == pages {
				cancel()
			}
			return nil
		})
		cancel()
		if n != pages*perPage {
			b.Fatal(n, err)
		}
		b.ReportMetric(float64(n)/time.Since(began).Seconds(), "events/s")
	}
	b.SetBytes(int64(bytes))
}
