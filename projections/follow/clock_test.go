package follow_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections/follow"
)

// inBubble runs a test with a nats-server of its own in a bubble, where time
// passes only while everything waits: hours in an instant, and to the
// nanosecond. Another server outside of it keeps the one goroutine that servers
// share.
func inBubble(t *testing.T, test func(t *testing.T, env *journaltest.Env)) {
	journaltest.New(t).Open()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) { test(t, journaltest.New(t)) })
}

// emptyPools lets go what is in any sync.Pool. nats.go keeps timers in one, and
// those that were made in a bubble must not be used outside of it, or in another.
func emptyPools() {
	runtime.GC() // what is in a pool survives one
	runtime.GC()
}

// beacons notes when a replica's records come: beacons, and the others. They
// may be looked at once the follower is closed.
func (r *replica) beacons() (at, others *[]time.Time) {
	at, others = new([]time.Time), new([]time.Time)
	r.config.OnApply = append(r.config.OnApply, func(rec *journal.Record) {
		if rec.Subject == events.BeaconsSubject() {
			*at = append(*at, time.Now())
		} else {
			*others = append(*others, time.Now())
		}
	})
	return at, others
}

// An idle replica of a cluster sends a beacon when its last proof is a quarter
// of MaxStaleness old, or up to as much later, and is never stale.
func TestIdleReplicaSendsBeacons(t *testing.T) {
	inBubble(t, func(t *testing.T, env *journaltest.Env) {
		r := newReplica(t, env)
		r.config.Single, r.config.MaxStaleness = false, 10*time.Second
		at, _ := r.beacons()
		f := r.start()
		gaps := map[time.Duration]bool{}
		for range 6000 {
			time.Sleep(100 * time.Millisecond)
			if s := f.Status(); s.Err != nil || s.Freshness > 5*time.Second+100*time.Millisecond || s.Beacon != s.Freshness || !s.Leader {
				t.Fatalf("status %+v", s)
			}
		}
		end(t, f)
		for i := range len(*at) - 1 {
			gap := (*at)[i+1].Sub((*at)[i])
			if gaps[gap] = true; gap < 2500*time.Millisecond || gap > 5100*time.Millisecond {
				t.Errorf("a beacon after %v", gap)
			}
		}
		if len(*at) < 120 || len(gaps) < 100 {
			t.Errorf("%d beacons in ten minutes, %d different gaps", len(*at), len(gaps))
		}
	})
}

// A replica's own pages are its beacons: one that writes sends none.
func TestBusyReplicaSendsNoBeacon(t *testing.T) {
	inBubble(t, func(t *testing.T, env *journaltest.Env) {
		r := newReplica(t, env)
		r.config.Single, r.config.MaxStaleness = false, 10*time.Second
		at, others := r.beacons()
		f := r.start()
		for i := range 120 {
			time.Sleep(time.Second)
			begun := time.Now()
			pos := r.write(fmt.Sprint("o", i))
			await(t, f, pos)
			f.ProveWrite(pos, begun)
		}
		if s := f.Status(); s.Freshness > time.Second || s.Beacon < 119*time.Second {
			t.Errorf("status %+v", s)
		}
		end(t, f)
		if len(*at) != 1 || len(*others) != 120 {
			t.Errorf("%d beacons beside %d pages; the first one makes it ready", len(*at), len(*others))
		}
	})
}

// Where the log is this process's own, it is asked and never written to.
func TestSingleServerSendsNoBeacon(t *testing.T) {
	inBubble(t, func(t *testing.T, env *journaltest.Env) {
		r := newReplica(t, env)
		r.config.MaxStaleness = 10 * time.Second
		r.write("o1")
		f := r.start()
		for range 600 {
			time.Sleep(time.Second)
			if s := f.Status(); s.Err != nil || s.Position != 1 || s.Beacon >= 0 || s.Freshness > 2600*time.Millisecond {
				t.Fatalf("status %+v", s)
			}
		}
	})
}

// While the log has no leader, reads go on until the last proof has the age
// that MaxStaleness allows, and not for a moment longer; they are back with the
// next proof.
func TestReadsGoOnWithoutALeaderWithinTheBound(t *testing.T) {
	for name, outage := range map[string]time.Duration{"an election": 4 * time.Second, "an outage": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, env *journaltest.Env) {
				r := newReplica(t, env)
				r.config.Single, r.config.MaxStaleness = false, 10*time.Second
				f := r.start()
				time.Sleep(90 * time.Second)
				env.Stop()
				proven := time.Now().Add(-f.Status().Freshness)
				back := time.Now().Add(outage)
				for ; time.Now().Before(back); time.Sleep(5 * time.Millisecond) {
					age := time.Since(proven)
					err := f.Fresh()
					if stale := errors.Is(err, follow.ErrStale); stale != (age > 10*time.Second) || !stale && err != nil {
						t.Fatalf("%v after the last proof: %v", age, err)
					}
				}
				if outage > 10*time.Second && f.Status().Leader {
					t.Error("a leader is known")
				}
				env.Start()
				time.Sleep(2 * time.Second)
				if s := f.Status(); outage < 10*time.Second && s.Err != nil {
					t.Errorf("an election is noticed: %+v", s)
				}
				time.Sleep(13 * time.Second) // an attempt that began before may take MaxStaleness
				if s := f.Status(); s.Err != nil || !s.Leader {
					t.Errorf("after the outage: %+v", s)
				}
			})
		})
	}
}

// A monotonic clock that stood still while the machine slept does not make an
// old proof young: the time of day tells. One that is set back does not either.
func TestTheClockThatSaysMoreCounts(t *testing.T) {
	for _, c := range []struct{ clock, wall, want time.Duration }{
		{time.Second, time.Second, time.Second},
		{time.Second, time.Hour, time.Hour},
		{time.Minute, -time.Hour, time.Minute},
	} {
		if got := follow.Elapsed(c.clock, c.wall); got != c.want {
			t.Errorf("%v by the monotonic clock and %v by the time of day are %v", c.clock, c.wall, got)
		}
	}
}
