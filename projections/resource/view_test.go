package resource

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
)

// listening is a view that has listened for a minute, at position 10.
func listening(c *clock) *view {
	v := newView(c.now)
	v.begin(events.Mark{Position: 10})
	v.beat()
	c.move(time.Minute)
	return v
}

func claimsAt(c *clock, id string) *Claims {
	return &Claims{ID: id, ClientID: "app_1", IssuedAt: c.now().Unix()}
}

func (v *view) want(t *testing.T, c *clock, claims *Claims, want verdict, what string) {
	t.Helper()
	if got := v.judge(claims, c.now()); got != want {
		t.Errorf("%s: verdict %d, want %d", what, got, want)
	}
}

func TestEndings(t *testing.T) {
	c := &clock{}
	old := claimsAt(c, "old")
	v := listening(c)
	v.want(t, c, old, doubtful, "from before the view began")
	v.vouch(old, 10, c.now())
	v.want(t, c, old, good, "that the issuer vouched for")
	one := claimsAt(c, "one")
	v.want(t, c, one, good, "a new one")

	id := events.TokenID{1}
	v.end(projections.Ending{Position: 11, Time: c.now(), Token: &id})
	v.want(t, c, claimsAt(c, id.String()), revoked, "a revoked one")
	v.want(t, c, one, good, "another one")

	v.end(projections.Ending{Position: 12, Time: c.now(), ClientID: "app_1"})
	for _, claims := range []*Claims{old, one} {
		v.want(t, c, claims, doubtful, "of a client whose tokens ended")
	}
	v.vouch(one, 12, c.now())
	v.want(t, c, one, good, "that is of after the ending, as the issuer says")
	c.move(2 * skew)
	v.want(t, c, claimsAt(c, "two"), good, "issued well after the ending")
	v.end(projections.Ending{Position: 13, Time: c.now()})
	v.want(t, c, one, doubtful, "of an organization whose tokens ended, perhaps")
}

// A secret that is kept for a while ends then, whatever the issuer said before,
// and whatever else happens to the client meanwhile.
func TestOverlapEnds(t *testing.T) {
	c := &clock{}
	v := listening(c)
	token := claimsAt(c, "t")
	ends := c.now().Add(time.Hour)
	v.end(projections.Ending{Position: 11, Time: c.now(), EffectiveAt: ends, ClientID: "app_1"})
	v.want(t, c, token, doubtful, "of either secret")
	v.vouch(token, 11, c.now())
	v.want(t, c, token, good, "during the overlap")
	v.end(projections.Ending{Position: 12, Time: c.now(), ClientID: "app_1"})
	c.move(30 * time.Minute)
	later := claimsAt(c, "later") // on the former secret, which still counts
	v.want(t, c, later, doubtful, "issued during the overlap")
	v.vouch(later, 12, c.now())
	v.want(t, c, later, good, "issued during the overlap, and vouched for")
	c.move(31 * time.Minute)
	for _, claims := range []*Claims{token, later} {
		v.want(t, c, claims, doubtful, "vouched for before the overlap ended")
	}
	v.vouch(later, 12, c.now())
	c.move(2 * skew)
	v.vouch(later, 12, c.now())
	v.want(t, c, later, good, "vouched for since")
}

// One ending comes from two feeds, in any order: the position that one of them
// tells is kept, and none that is not told yet is taken for an older one's.
func TestTwoFeeds(t *testing.T) {
	c := &clock{}
	v := listening(c)
	token := claimsAt(c, "t")
	first := projections.Ending{Position: 11, Time: c.now(), ClientID: "app_1"}
	second := projections.Ending{Position: 12, Time: c.now().Add(time.Second), ClientID: "app_1"}
	untold := func(e projections.Ending) projections.Ending { e.Position = 0; return e }
	v.end(untold(first))
	v.vouch(token, 11, c.now())
	v.want(t, c, token, doubtful, "before the position is told")
	v.end(first)
	v.want(t, c, token, good, "vouched for at the position that was told")
	v.end(untold(first))
	v.want(t, c, token, good, "told again without a position")
	v.end(untold(second))
	v.end(first)
	v.want(t, c, token, doubtful, "ended again, and told of the former ending")
	v.end(second)
	v.want(t, c, token, doubtful, "vouched for before the second ending")
	v.vouch(token, 12, c.now())
	v.want(t, c, token, good, "vouched for after it")
}

// Core NATS: what stands on the organization's subject is heard.
func TestSubscription(t *testing.T) {
	env, c := journaltest.New(t), &clock{}
	j, conn := env.Open(), env.Connect()
	verifier, err := New("http://127.0.0.1:1", WithClient("c", "s"), WithClock(c.now), WithRevocations(NATS(conn, "acme")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	v := verifier.view
	v.begin(events.Mark{Position: 10})
	c.move(time.Minute)
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	revoke := func(organization string, id events.TokenID) {
		_, err := j.Append(t.Context(), events.RevocationsSubject(organization), &events.Event{
			ID: events.NewID("e_"), Time: c.now().UTC(), Organization: organization, Data: &events.TokenRevoked{ID: id, Application: "a1"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	revoke("globex", events.TokenID{2})
	revoke("acme", events.TokenID{1})
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.Tick(time.Millisecond); v.judge(claimsAt(c, events.TokenID{1}.String()), c.now()) != revoked; <-tick {
		if time.Now().After(deadline) {
			t.Fatal("the revocation was not heard")
		}
	}
	v.want(t, c, claimsAt(c, events.TokenID{2}.String()), good, "another organization's")
}

// The memory of a view follows what was revoked, and is given back after two
// lifetimes.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		const count = 100_000
		c := &clock{}
		v := listening(c)
		before := heap()
		for i := range uint64(count) { // issued and verified
			var id events.TokenID
			binary.BigEndian.PutUint64(id[:], i)
			if v.judge(claimsAt(c, id.String()), c.now()) != good {
				b.Fatal("not good")
			}
		}
		issued := heap()
		for i := range uint64(count) {
			var id events.TokenID
			binary.BigEndian.PutUint64(id[:], i)
			v.end(projections.Ending{Position: events.Position(i), Time: c.now(), Token: &id})
		}
		revoked := heap()
		for range 2 {
			c.move(generation)
			v.end(projections.Ending{Time: c.now(), ClientID: "app_1"})
		}
		b.ReportMetric(float64(issued-before)/count, "B/issued")
		b.ReportMetric(float64(revoked-issued)/count, "B/revoked")
		b.ReportMetric(float64(heap()-before)/count, "B/forgotten")
		runtime.KeepAlive(v)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
