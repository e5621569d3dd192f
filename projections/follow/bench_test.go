package follow_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
)

const million = 1_000_000

// fill writes a million issuances for 100 applications.
func (r *replica) fill() {
	r.t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i := range 100 {
		d := &events.ApplicationCreated{ID: app(i), ClientID: app(i), Secret: &events.SecretDigest{}}
		if _, err := r.Append(r.t.Context(), events.ApplicationSubject("acme", app(i)), event("acme", d)); err != nil {
			r.t.Fatal(err)
		}
	}
	var next atomic.Int64
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for next.Add(100) <= million {
				evs := make([]*events.Event, 100)
				for i := range evs {
					d := &events.TokenIssued{
						ID: events.NewTokenID(), Application: app(i), Secret: 1, Grant: "client_credentials",
						Scope: "read:customers write:customers", Key: "k_3fyt4zvqzvlzkdnqsgnqhwf5te",
						IssuedAt: now.Unix(), ExpiresAt: now.Unix() + 3600,
					}
					d.Digest = events.TokenDigest(d.ID)
					e := event("acme", d)
					e.Actor.Application, e.Correlation, e.Time = d.Application, e.ID, now
					evs[i] = e
				}
				if _, err := r.Append(r.t.Context(), events.TokensSubject(), evs...); err != nil {
					r.t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
}

func app(i int) string { return fmt.Sprintf("ap_%026d", i) }

// BenchmarkReplay1M reads a million issuances from the server's disk until the
// replica is ready, without and with a snapshot.
func BenchmarkReplay1M(b *testing.B) {
	env := journaltest.New(b)
	r := newReplica(b, env)
	r.fill()
	dir := r.config.Dir
	for _, from := range []string{"log", "snapshot"} {
		b.Run("from="+from, func(b *testing.B) {
			r := *r
			if r.t = b; from == "log" {
				r.config.Dir = ""
			} else {
				r.config.Dir = dir
				end(b, r.start())
			}
			for b.Loop() {
				f := r.start()
				b.StopTimer()
				f.View(func(s *projections.State) {
					if s.Tokens.Len() != million {
						b.Fatal(s.Tokens.Len())
					}
				})
				end(b, f)
				b.StartTimer()
			}
			b.ReportMetric(million*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
