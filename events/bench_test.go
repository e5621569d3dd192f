package events

import (
	"encoding/json"
	"iter"
	"testing"
)

// readPage collects what DecodePage answers.
func readPage(h PageHeader, list iter.Seq2[*Event, error], err error) ([]*Event, PageHeader, error) {
	if err != nil {
		return nil, h, err
	}
	all, err := collect(list)
	return all, h, err
}

// count reads a page and keeps nothing of it.
func count(b []byte) (n int, err error) {
	_, list, err := DecodePage(b)
	if err != nil {
		return 0, err
	}
	for _, err := range list {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func hotPage(tb testing.TB, n int) []byte { return pageOf(tb, issuedToken, n) }

func pageOf(tb testing.TB, event func(byte) *Event, n int) []byte {
	tb.Helper()
	encoded := make([][]byte, n)
	for i := range encoded {
		encoded[i] = mustAppend(tb, event(byte(i)))
	}
	return AppendPage(nil, testHeader, encoded...)
}

func BenchmarkAppendEvent(b *testing.B) {
	for name, e := range map[string]*Event{
		"token.issued":        issuedToken(1),
		"token.revoked":       revokedToken(1),
		"application.deleted": {ID: "e_1", Time: issuedToken(1).Time, Organization: "acme", Data: &ApplicationDeleted{ID: "a_1"}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 1024)
			for b.Loop() {
				buf, _ = AppendEvent(buf[:0], e)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
	for _, e := range []*Event{issuedToken(1), revokedToken(1)} {
		b.Run(string(e.Type)+" by encoding json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encodeReference(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodePage reads one page of 1,000 per operation and reports what
// one event costs.
func BenchmarkDecodePage(b *testing.B) {
	const events = 1000
	hot := hotPage(b, events)
	cold := AppendPage(nil, testHeader, []byte(coldEvent))
	for name, c := range map[string]struct {
		page   []byte
		events int
	}{"token.issued": {hot, events}, "token.revoked": {pageOf(b, revokedToken, events), events}, "application.updated": {cold, 1}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.page)))
			for b.Loop() {
				if n, err := count(c.page); n != c.events || err != nil {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.events), "ns/event")
		})
	}
	for e, data := range map[*Event]func() Data{
		issuedToken(1):  func() Data { return new(TokenIssued) },
		revokedToken(1): func() Data { return new(TokenRevoked) },
	} {
		b.Run(string(e.Type)+" by encoding json", func(b *testing.B) {
			b.ReportAllocs()
			one := mustAppend(b, e)
			for b.Loop() {
				var e envelope
				if err := json.Unmarshal(one, &e); err != nil {
					b.Fatal(err)
				}
				if err := json.Unmarshal(e.Data, data()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendPage(b *testing.B) {
	one := mustAppend(b, issuedToken(1))
	encoded := make([][]byte, 1000)
	for i := range encoded {
		encoded[i] = one
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPage(buf[:0], testHeader, encoded...)
	}
	b.SetBytes(int64(len(buf)))
}
