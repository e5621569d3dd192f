package revocations

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/sse"
	"github.com/grantlog/grantlog/projections"
)

// filled returns a hub that was told of n endings, one per record, of two
// organizations in turn, from position first on.
func filled(first events.Position, n int) *Hub {
	h := newHub(one)
	for i := range n {
		at := first + events.Position(i)
		h.take(at, ended(projections.Ending{Position: at, Organization: []string{"acme", "globex"}[i%2]}))
	}
	return h
}

// ended are the endings of one record.
func ended(all ...projections.Ending) (endings []*told) {
	for _, e := range all {
		endings = append(endings, &told{Ending: e})
	}
	return tell(endings, one)
}

// one is the epoch of a log that was never restored.
func one(events.Position) string { return "" }

func whole(p events.Position) sse.Place { return sse.Place{Position: p, Ordinal: sse.Whole} }

func TestHubGivesWhatFollows(t *testing.T) {
	h := filled(10, 6) // 10…15
	tests := []struct {
		after        sse.Place
		organization string
		limit        int
		want         []events.Position
		ok           bool
	}{
		{whole(9), "", 10, []events.Position{10, 11, 12, 13, 14, 15}, true},
		{whole(12), "", 2, []events.Position{13, 14}, true},
		{whole(9), "globex", 10, []events.Position{11, 13, 15}, true},
		{whole(15), "", 10, nil, true},
		{whole(99), "", 10, nil, true},
		{whole(8), "", 10, nil, false},                           // before what was told
		{sse.Place{Position: 9, Ordinal: 0}, "", 10, nil, false}, // amid the record before
		{sse.Place{Position: 10, Ordinal: 0}, "", 10, []events.Position{11, 12, 13, 14, 15}, true},
	}
	for _, tt := range tests {
		found, more, ok := h.after(tt.after, 15, tt.organization, tt.limit)
		if ok != tt.ok || len(found) != len(tt.want) || ok && more == nil {
			t.Errorf("after %v: %v, %v", tt.after, found, ok)
			continue
		}
		for i, e := range found {
			if e.Position != tt.want[i] {
				t.Errorf("after %v: position %d at %d, want %d", tt.after, e.Position, i, tt.want[i])
			}
		}
	}
}

// A record is never cut, whatever the limit.
func TestHubGivesWholeRecords(t *testing.T) {
	h := newHub(one)
	h.take(5, ended(projections.Ending{Position: 5}, projections.Ending{Position: 5, Ordinal: 1}, projections.Ending{Position: 5, Ordinal: 2}))
	h.take(6, ended(projections.Ending{Position: 6}))
	if found, _, _ := h.after(whole(4), 6, "", 1); len(found) != 3 {
		t.Errorf("%d endings of a record of 3", len(found))
	}
	if found, _, _ := h.after(sse.Place{Position: 5, Ordinal: 0}, 6, "", 1); len(found) != 2 {
		t.Errorf("%d endings, want the record's other 2", len(found))
	}
}

// Whoever is behind what the hub keeps is told so, and misses nothing.
func TestHubForgetsTheOldest(t *testing.T) {
	h := filled(1, 3*recent)
	if len(h.ring) >= 2*recent || len(h.ring) < recent {
		t.Fatalf("%d endings kept", len(h.ring))
	}
	oldest := h.ring[0].Position
	if found, _, ok := h.after(whole(oldest-1), 3*recent, "", 1); !ok || found[0].Position != oldest {
		t.Errorf("after the last forgotten: %v, %v", found, ok)
	}
	if _, _, ok := h.after(whole(oldest-2), 3*recent, "", 1); ok {
		t.Error("a listener that missed one was not told")
	}
}

// A hub that was told of nothing yet knows nothing of what was before.
func TestHubBeforeTheFirstRecord(t *testing.T) {
	h := newHub(one)
	if _, _, ok := h.after(whole(6), 7, "", 1); ok {
		t.Error("it claims to know what stands at 7")
	}
	_, more, ok := h.after(whole(7), 7, "", 1)
	if !ok {
		t.Fatal("nothing stands after 7")
	}
	h.take(8, ended(projections.Ending{Position: 8}))
	<-more
	if found, _, ok := h.after(whole(7), 8, "", 1); !ok || len(found) != 1 {
		t.Errorf("%v, %v", found, ok)
	}
}

// BenchmarkApplied tells the hub of pages of 32 revocations that nobody listens
// to, and reports what one costs.
func BenchmarkApplied(b *testing.B) {
	const revocations = 32
	encoded := make([][]byte, revocations)
	for i := range encoded {
		var err error
		if encoded[i], err = events.AppendEvent(nil, &events.Event{
			ID: events.NewID("e_"), Time: time.Unix(1, 0), Organization: "acme", Actor: events.Actor{Application: "a_1"},
			Data: &events.TokenRevoked{ID: events.NewTokenID(), Application: "a_1", Reason: "revoked_by_client"},
		}); err != nil {
			b.Fatal(err)
		}
	}
	record, err := journal.NewVerifier(nil, journal.Cursor{}).Next(journal.Message{
		Position: 1, Subject: events.RevocationsSubject("acme"), Payload: events.AppendPage(nil, events.PageHeader{Commit: "c", Replica: "r"}, encoded...),
		MAC: base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
	})
	if err != nil {
		b.Fatal(err)
	}
	h := newHub(one)
	b.ReportAllocs()
	for b.Loop() {
		h.Applied(record)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*revocations), "ns/event")
}
