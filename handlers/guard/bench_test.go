package guard_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/guard"
)

var plenty = events.Limits{PerMinute: 1_000_000_000, PerHour: 1_000_000_000}

// BenchmarkCheck is the whole decision for a token that was seen before, counts
// included; with all four windows full of units.
func BenchmarkCheck(b *testing.B) {
	s := newSite(b)
	r := s.replica()
	r.acme(plenty)
	r.append(application("a1", plenty))
	token := r.token("a1", "read:customers write:customers", time.Hour)
	var busy []events.Usage
	for second := range int64(3600) {
		busy = append(busy, events.Usage{Organization: "acme", Application: "a1", Secret: 1, Second: s.clock().Unix() - second, Admitted: 1})
	}
	s.idle().append(&events.UsageRecorded{Report: 1, Usage: busy})
	r.base.Sync()
	call := guard.Call{Token: token, Method: "GET", Path: "/api/v1/customers/7"}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if _, err := r.Check(context.Background(), call); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteQuota(b *testing.B) {
	r := newSite(b).replica()
	r.acme(plenty)
	r.append(application("a1", plenty))
	pass, err := r.get(r.token("a1", "read:customers", time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	h := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		pass.WriteQuota(h)
	}
}
