package webhooks

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// endings are the places of all endings of acme, as the log has them.
func (s *site) endings() (list []string) {
	s.t.Helper()
	last := s.first.base.Last()
	err := s.first.base.Journal.Read(s.t.Context(), journal.Cursor{}, last, func(r *journal.Record) error {
		ordinal := 0
		for e, err := range r.Events() {
			if err != nil {
				return err
			}
			if _, ok := projections.EndingOf(r.Position, ordinal, e); ok && e.Organization == "acme" {
				list = append(list, fmt.Sprintf("%d.%d", r.Position, ordinal))
			}
			ordinal++
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// types counts the events of webhooks in the log.
func (s *site) types() map[events.Type]int {
	s.t.Helper()
	count := map[events.Type]int{}
	err := s.first.base.Journal.Read(s.t.Context(), journal.Cursor{}, s.first.base.Last(), func(r *journal.Record) error {
		for e, err := range r.Events() {
			if err != nil {
				return err
			}
			count[e.Type]++
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return count
}

// bulk revokes n tokens of acme in one record.
func (s *site) bulk(n int) {
	s.t.Helper()
	s.first.base.Run(func(*projections.State) (command.Decision, error) {
		d := command.Decision{Organization: "acme", Subject: events.RevocationsSubject("acme")}
		for range n {
			d.Events = append(d.Events, &events.TokenRevoked{ID: events.NewTokenID(), Application: "a1", Reason: "test"})
		}
		return d, nil
	})
}

// wantAll waits until a webhook has caught up, and compares what was pushed
// with the log: in order, nothing left out.
func (s *site) wantAll(rx *receiver, id string) []string {
	s.t.Helper()
	s.caughtUp(id)
	pushed := positions(id, rx.seen())
	if got, want := distinct(pushed), s.endings(); !slices.Equal(got, want) {
		s.t.Errorf("pushed %v, want %v", got, want)
	}
	return pushed
}

// What ended before the replica started comes from the log, what ends later
// from memory; each once, in order, and nothing of another organization. The
// log hears of it twice.
func TestEveryEndingOnceInOrder(t *testing.T) {
	s := newSite(t)
	rx := s.receiver()
	s.revoke("acme", 20)
	s.revoke("globex", 20)
	s.bulk(30)
	id := s.hook(rx, 0)
	s.replica(calm).run()
	s.caughtUp(id)
	if n := s.types(); n["webhook.leased"] != 1 || n["webhook.advanced"] != 1 {
		t.Errorf("50 pushes made %v", n)
	}
	for range 5 {
		s.revoke("acme", 1)
		s.revoke("globex", 1)
		s.bulk(2)
	}
	pushed := s.wantAll(rx, id)
	w, _ := s.now(id)
	if len(pushed) != 65 || w.Acknowledged != 65 || rx.overlap {
		t.Errorf("%d pushes, %d acknowledged, at once: %v", len(pushed), w.Acknowledged, rx.overlap)
	}
}

// Without a position a webhook begins with what ends from then on.
func TestBeginsWhereItIsTold(t *testing.T) {
	s := newSite(t)
	s.revoke("acme", 3)
	middle := s.revoke("acme", 1)
	s.revoke("acme", 2)
	all, rx := s.endings(), s.receiver()
	id := s.hook(rx, middle)
	s.replica(calm).run()
	s.caughtUp(id)
	if got := positions(id, rx.seen()); !slices.Equal(got, all[4:]) {
		t.Errorf("pushed %v, want %v", got, all[4:])
	}
}

// A receiver that holds its answer back delays nobody else.
func TestReceiversDoNotWaitForEachOther(t *testing.T) {
	s := newSite(t)
	slow, quick := s.receiver(), s.receiver()
	gone := make(chan struct{})
	slow.answers(func(w http.ResponseWriter, r *http.Request) {
		<-gone
		w.WriteHeader(http.StatusAccepted)
	})
	behind, ahead := s.hook(slow, 0), s.hook(quick, 0)
	s.replica(calm).run()
	s.revoke("acme", 10)
	s.wantAll(quick, ahead)
	s.eventually("the slow one is asked", func() bool { return len(slow.seen()) > 0 })
	if n := len(slow.seen()); n != 1 {
		t.Errorf("%d pushes to a receiver that did not answer the first", n)
	}
	close(gone)
	s.wantAll(slow, behind)
}

// Three replicas push each ending once, whoever hears of it first.
func TestOneOfThreeReplicasPushes(t *testing.T) {
	s := newSite(t)
	receivers := map[string]*receiver{}
	for range 5 {
		rx := s.receiver()
		receivers[s.hook(rx, 0)] = rx
	}
	for range 3 {
		s.replica(calm).run()
	}
	for range 10 {
		s.revoke("acme", 3)
		for id := range receivers {
			s.caughtUp(id)
		}
	}
	for id, rx := range receivers {
		if pushed := s.wantAll(rx, id); len(pushed) != 30 || rx.overlap {
			t.Errorf("%d pushes of 30, at once: %v", len(pushed), rx.overlap)
		}
	}
}

// A replica that is killed amid a push is replaced when its lease ends; what
// the log was not told of is pushed again, and nothing is left out.
func TestAKilledReplicaIsReplaced(t *testing.T) {
	s := newSite(t)
	short := calm
	short.lease, short.attempt = 5*time.Second, 4*time.Second
	rx := s.receiver()
	reached, proceed := make(chan struct{}, 1), make(chan struct{})
	rx.answers(func(w http.ResponseWriter, r *http.Request) {
		if len(rx.seen()) == 5 {
			reached <- struct{}{}
			<-proceed
		}
		w.WriteHeader(http.StatusAccepted)
	})
	id := s.hook(rx, 0)
	victim := s.replica(short).run()
	s.revoke("acme", 10)
	<-reached
	victim.kill()
	close(proceed)
	s.first.base.Sync()
	if w, _ := s.now(id); w.Acknowledged >= 5 || w.Lease == "" {
		t.Fatalf("the log knows more than a killed replica can have told: %+v", w)
	}
	s.replica(short).run()
	s.revoke("acme", 3)
	if pushed := s.wantAll(rx, id); len(pushed) < 14 {
		t.Errorf("%d pushes: the one that was under way was not repeated", len(pushed))
	}
}

// One that is stopped hands over what it did: nothing is repeated.
func TestAStoppedReplicaHandsOver(t *testing.T) {
	s := newSite(t)
	rx := s.receiver()
	reached, proceed := make(chan struct{}, 1), make(chan struct{})
	rx.answers(func(w http.ResponseWriter, r *http.Request) {
		if len(rx.seen()) == 5 {
			reached <- struct{}{}
			<-proceed
		}
		w.WriteHeader(http.StatusAccepted)
	})
	id := s.hook(rx, 0)
	old := s.replica(calm).run()
	s.revoke("acme", 10)
	<-reached
	close(old.stopping)
	close(proceed)
	old.end()
	s.first.base.Sync()
	if w, _ := s.now(id); w.Acknowledged != 5 || w.Lease != "" {
		t.Errorf("it left %+v", w)
	}
	s.replica(calm).run()
	if pushed := s.wantAll(rx, id); len(pushed) != 10 {
		t.Errorf("%d pushes of 10", len(pushed))
	}
}

// One that cannot prove its freshness does not know whose the leases are: it
// pushes nothing until it can.
func TestAStaleReplicaPushesNothing(t *testing.T) {
	s := newSite(t)
	rx := s.receiver()
	id := s.hook(rx, 0)
	stale := s.replica(calm)
	var fresh atomic.Bool
	asked := make(chan struct{}, 1000)
	stale.Fresh = func() error {
		select {
		case asked <- struct{}{}:
		default:
		}
		if fresh.Load() {
			return nil
		}
		return follow.ErrStale
	}
	stale.run()
	s.revoke("acme", 2)
	for range 3 {
		<-asked
	}
	if n := len(rx.seen()); n != 0 {
		t.Errorf("%d pushes", n)
	}
	fresh.Store(true)
	s.wantAll(rx, id)
}

// A deletion on one replica breaks off what another one pushes.
func TestADeletionBreaksOffAPush(t *testing.T) {
	s := newSite(t)
	rx := s.receiver()
	reached, broken := make(chan struct{}, 1), make(chan struct{})
	rx.answers(func(w http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-r.Context().Done()
		close(broken)
	})
	id := s.hook(rx, 0)
	s.replica(calm).run()
	s.revoke("acme", 2)
	<-reached
	s.first.base.Run(func(state *projections.State) (command.Decision, error) {
		return command.DeleteWebhook(state, "acme", id)
	})
	select {
	case <-broken:
	case <-time.After(patience):
		t.Fatal("the push goes on")
	}
	other := s.receiver()
	s.wantAll(other, s.hook(other, 0))
	if n := len(rx.seen()); n != 1 {
		t.Errorf("%d pushes to a webhook that was deleted during the first", n)
	}
}
