package journal

import (
	"testing"

	"pgregory.net/rapid"
)

// Pages take the calls that wait in their order, none twice, none split, and
// hold as many as the caps allow.
func TestTakeCutsPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := &Journal{queues: map[string]*queue{"s": {}}, maxPayload: 1 << 20}
		q := j.queues["s"]
		var waiting []*entry
		for range rapid.IntRange(0, 60).Draw(t, "calls") {
			n := rapid.SampledFrom([]int{1, 1, 2, 300, 1000, 1500}).Draw(t, "events")
			e := &entry{
				encoded: make([][]byte, n),
				bytes:   rapid.SampledFrom([]int{n, 500 * n, 200 << 10, 900 << 10}).Draw(t, "bytes"),
			}
			if err := j.enqueue("s", e); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 4).Draw(t, "leaves") == 0 {
				if !j.withdraw("s", e) || j.withdraw("s", e) {
					t.Fatal("a waiting call is withdrawn once")
				}
				continue
			}
			waiting = append(waiting, e)
		}
		for {
			page := j.take("s")
			if len(page) == 0 {
				break
			}
			events, bytes := 0, 0
			for i, e := range page {
				if e != waiting[i] {
					t.Fatal("not the oldest calls")
				}
				if j.withdraw("s", e) {
					t.Fatal("a call was withdrawn from its page")
				}
				events += len(e.encoded)
				bytes += e.bytes
			}
			waiting = waiting[len(page):]
			limit := maxPageBytes - pageOverhead
			if len(page) > 1 && (events > maxPageEvents || bytes > limit) {
				t.Fatalf("%d calls, %d events, %d bytes", len(page), events, bytes)
			}
			if len(waiting) > 0 && events+len(waiting[0].encoded) <= maxPageEvents && bytes+waiting[0].bytes <= limit {
				t.Fatal("the next call had room")
			}
		}
		if len(waiting) > 0 || len(q.waiting) > 0 || q.events != 0 || q.bytes != 0 {
			t.Fatalf("%d calls forgotten, queue %+v", len(waiting), q)
		}
		if len(j.queues) != 0 {
			t.Fatal("an idle subject keeps a queue")
		}
	})
}
