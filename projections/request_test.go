package projections_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

func key(n int) (d events.RequestDigest) {
	binary.BigEndian.PutUint64(d[:], uint64(n))
	return d
}

// The first request of a key counts, in log order; another key is another
// request, and what is not covered happens.
func TestRequestCountsOnce(t *testing.T) {
	again := keyed(1, 2, on("acme", time.Second, rotated("a1", time.Time{})))
	again.data = append(again.data, created("a3", false)) // of somebody else, in the same record
	s := replayed(t, []page{
		on("acme", 0, created("a1", false)),
		keyed(1, 1, on("acme", 0, rotated("a1", time.Time{}))),
		again,
		keyed(2, 1, on("acme", time.Second, rotated("a1", time.Time{}))),
	})
	if a, _ := s.Applications.Get("a1"); a.Versions != 3 {
		t.Errorf("%d secrets, want those of the creation and of two requests", a.Versions)
	}
	if _, ok := s.Applications.Get("a3"); !ok {
		t.Error("what stood behind the repetition did not happen")
	}
	r, ok := s.Requests.Find(events.RequestDigest{1}, s.Time)
	if !ok || r.Nonce != (events.RequestNonce{1}) || r.Position != 2 || r.Organization != "acme" || !r.At.Equal(epoch) {
		t.Errorf("%+v, %v", r, ok)
	}
}

// Two of one key in one record, as a replica writes what it was asked at once.
func TestRequestsOfOneRecord(t *testing.T) {
	p := keyed(1, 1, on("acme", 0, created("a1", false)))
	p.data = append(p.data, keyed(1, 2, on("acme", 0, created("a2", false))).data...)
	p.data = append(p.data, keyed(2, 3, on("acme", 0, created("a3", false))).data...)
	s := replayed(t, []page{p})
	for id, want := range map[string]bool{"a1": true, "a2": false, "a3": true} {
		if _, ok := s.Applications.Get(id); ok != want {
			t.Errorf("%s is there: %v, want %v", id, ok, want)
		}
	}
}

// A repetition revives nothing, however long what it made is gone, and ends
// nothing.
func TestRepetitionRevivesNothing(t *testing.T) {
	pages := []page{
		keyed(1, 1, on("acme", 0, created("a1", false))),
		on("acme", 0, issued(1, "a1", 1, 0, time.Hour)),
		keyed(2, 1, on("acme", time.Second, rotated("a1", epoch.Add(time.Minute)))),
		keyed(2, 1, on("acme", time.Second, rotated("a1", time.Time{}))),
	}
	s := replayed(t, pages)
	if _, l := s.Lookup(tokenID(1), digestOf(tokenID(1)), epoch.Add(2*time.Second)); l != projections.Live {
		t.Errorf("the repeated rotation ended a token: %v", l)
	}
	s = replayed(t, append(pages, on("acme", time.Minute, &events.ApplicationDeleted{ID: "a1"}), keyed(1, 1, on("acme", time.Minute, created("a1", false)))))
	if _, ok := s.Applications.Get("a1"); ok {
		t.Error("a deleted application is back")
	}
}

// By the log's time a key is forgotten after a day, whether or not it was
// swept; then it counts again.
func TestRequestsAreForgotten(t *testing.T) {
	first := keyed(1, 1, on("acme", 90*time.Minute, created("a1", false)))
	for _, c := range []struct {
		after time.Duration
		known bool
	}{{projections.RequestMemory - time.Microsecond, true}, {projections.RequestMemory, false}, {2 * projections.RequestMemory, false}} {
		s := replayed(t, []page{first, keyed(1, 2, on("beta", 90*time.Minute+c.after, created("a2", false)))})
		if _, ok := s.Applications.Get("a2"); ok == c.known {
			t.Errorf("after %v it counts: %v", c.after, ok)
		}
		if again := restored(t, encoded(t, s.Freeze())); again.Hash() != s.Hash() {
			t.Errorf("after %v: another hash after a restore", c.after)
		}
	}
}

// One organization cannot make the server forget the requests of another, and
// what is remembered of it is bounded.
func TestRequestsAreBounded(t *testing.T) {
	const many = 1<<16 + 10
	s := projections.New()
	apply(t, s, page{organization: "beta", time: epoch, data: []events.Data{&events.RequestKeyed{Key: key(many + 1)}}})
	for i := range many {
		apply(t, s, page{organization: "acme", time: epoch, data: []events.Data{&events.RequestKeyed{Key: key(i)}}})
	}
	for i, want := range map[int]bool{0: false, 9: false, 10: true, many - 1: true, many + 1: true} {
		if _, ok := s.Requests.Find(key(i), epoch); ok != want {
			t.Errorf("request %d is remembered: %v, want %v", i, ok, want)
		}
	}
}

// The frozen state keeps what is forgotten later.
func TestFrozenRequests(t *testing.T) {
	s := replayed(t, []page{keyed(1, 1, on("acme", 0, created("a1", false))), keyed(2, 1, on("acme", time.Hour, created("a2", false)))})
	frozen, hash := s.Freeze(), s.Hash()
	apply(t, s, keyed(1, 3, on("acme", projections.RequestMemory, created("a3", false))))
	if frozen.Hash() != hash {
		t.Error("the frozen copy changed")
	}
}
