package webhooks

import (
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
)

// BenchmarkPush is endings that are pushed to one receiver, one after the
// other: signed, sent on loopback, verified there and acknowledged.
func BenchmarkPush(b *testing.B) {
	s := newSite(b)
	rx := s.receiver()
	const many = 1000
	s.bulk(many)
	r := s.replica(calm).run()
	defer r.end()
	id := s.hook(rx, 0)
	for b.Loop() {
		s.resume(id, new(events.Position))
		s.caughtUp(id)
	}
	perPush := b.Elapsed() / time.Duration(b.N*many)
	b.ReportMetric(float64(perPush.Microseconds()), "µs/push")
}
