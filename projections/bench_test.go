package projections_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

const million = 1_000_000

// issuances are a million tokens of 100 applications, 1,000 to a page, issued
// over some 17 minutes and living an hour.
func issuances() []events.TokenIssued {
	all := make([]events.TokenIssued, million)
	for i := range all {
		d := &all[i]
		*d = *issued(i, fmt.Sprintf("ap_%026d", i%100), 1, time.Duration(i)*time.Millisecond, time.Hour)
		rand.Read(d.ID[:])
	}
	return all
}

func fold(b *testing.B, all []events.TokenIssued) *projections.State {
	s := projections.New()
	for i := range 100 {
		apply(b, s, on("acme", 0, created(fmt.Sprintf("ap_%026d", i), false)))
	}
	r := projections.Record{Subject: events.TokensSubject()}
	e := events.Event{Type: "token.issued", Version: 1, Organization: "acme"}
	for i := range all {
		r.Position = s.Position + 1
		e.Time = epoch.Add(time.Duration(i) * time.Millisecond)
		e.Data = &all[i]
		if err := s.Apply(r, i%1000, &e); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 999 {
			s.Position++
		}
	}
	return s
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkFold1M reports the fold's rate and the heap that a live token
// takes, indexes included.
func BenchmarkFold1M(b *testing.B) {
	all := issuances()
	var s *projections.State
	var before uint64
	for b.Loop() {
		b.StopTimer()
		s = nil
		before = heap()
		b.StartTimer()
		s = fold(b, all)
	}
	b.ReportMetric(float64(heap()-before)/million, "B/token")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/token")
	runtime.KeepAlive(s)
	runtime.KeepAlive(all)
}

func BenchmarkLookup(b *testing.B) {
	all := issuances()
	s := fold(b, all)
	now := epoch.Add(20 * time.Minute)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d := &all[(i*7919)%million]
		if _, l := s.Lookup(d.ID, d.Digest, now); l != projections.Live {
			b.Fatal(l)
		}
	}
}

func BenchmarkSnapshot1M(b *testing.B) {
	s := fold(b, issuances())
	var snapshot bytes.Buffer
	if err := s.Freeze().Encode(&snapshot); err != nil {
		b.Fatal(err)
	}
	b.Run("freeze", func(b *testing.B) {
		for b.Loop() {
			s.Freeze()
		}
	})
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			s.Freeze().Encode(io.Discard)
		}
		b.ReportMetric(float64(snapshot.Len())/million, "B/token")
	})
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			s.Hash()
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := projections.Decode(bytes.NewReader(snapshot.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSweep1M expires a million tokens.
func BenchmarkSweep1M(b *testing.B) {
	all := issuances()
	late := on("acme", 3*time.Hour, &events.BeaconSent{Nonce: "n"})
	for b.Loop() {
		b.StopTimer()
		s := fold(b, all)
		b.StartTimer()
		apply(b, s, late)
		if s.Tokens.Len() != 0 {
			b.Fatal(s.Tokens.Len())
		}
	}
}
