package follow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections/follow"
)

func TestNotReadyBeforeTheEndIsMet(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	r.write("o1", "o2")
	hold := make(chan struct{})
	r.config.OnApply = append(r.config.OnApply, func(rec *journal.Record) {
		if rec.Position == 1 {
			<-hold
		}
	})
	f := r.begin()
	await(t, f, 1)
	if err := f.Fresh(); !errors.Is(err, follow.ErrNotReady) {
		t.Errorf("fresh: %v", err)
	}
	close(hold)
	ready(t, f)
	if err := f.Fresh(); err != nil {
		t.Errorf("fresh: %v", err)
	}
}

// The age counts from before the proof was begun, by the replica's own clock.
func TestStaleWithoutTheLogAndFreshWithIt(t *testing.T) {
	for _, single := range []bool{true, false} {
		t.Run(map[bool]string{true: "single", false: "cluster"}[single], func(t *testing.T) {
			env := journaltest.New(t)
			r := newReplica(t, env)
			var now clock
			r.config.Clock, r.config.Single, r.config.MaxStaleness = now.now, single, 400*time.Millisecond
			f := r.start()
			if s := f.Status(); s.Freshness != 0 || s.Err != nil {
				t.Fatalf("status %+v", s)
			}
			env.Stop()
			now.advance(400 * time.Millisecond)
			if err := f.Fresh(); err != nil {
				t.Errorf("at the bound: %v", err)
			}
			now.advance(time.Nanosecond)
			if err := f.Fresh(); !errors.Is(err, follow.ErrStale) {
				t.Errorf("over the bound: %v", err)
			}
			eventually(t, "the loss is told", func() bool { return r.log.count("is not heard of") == 1 })
			env.Start()
			eventually(t, "it is fresh again", func() bool { return f.Fresh() == nil })
			eventually(t, "that is told", func() bool { return r.log.count("is heard of again") == 1 })
		})
	}
}

// In a cluster only what went through the log proves anything.
func TestBeaconProves(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	r.config.Single = false
	beacons := make(chan string, 10)
	r.config.OnApply = append(r.config.OnApply, func(rec *journal.Record) { beacons <- rec.Subject })
	f := r.start()
	if got := <-beacons; got != events.BeaconsSubject() || f.Position() != 1 {
		t.Errorf("ready by %s, position %d", got, f.Position())
	}
}

// A busy replica's own pages are its beacons.
func TestOwnWritesProve(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	var now clock
	r.config.Clock, r.config.Single, r.config.MaxStaleness = now.now, false, time.Hour
	f := r.start()
	now.advance(10 * time.Minute)
	begun := now.now()
	now.advance(time.Minute)
	pos := r.write("o1")
	f.ProveWrite(pos+1, now.now()) // not applied: proves nothing
	if s := f.Status(); s.Freshness != 11*time.Minute {
		t.Errorf("freshness is %v", s.Freshness)
	}
	await(t, f, pos)
	f.ProveWrite(pos, begun)
	if s := f.Status(); s.Freshness != time.Minute {
		t.Errorf("freshness is %v, want that of the moment before the write", s.Freshness)
	}
	f.ProveWrite(pos, begun.Add(-time.Minute)) // an older proof does not undo a newer
	if s := f.Status(); s.Freshness != time.Minute {
		t.Errorf("freshness is %v", s.Freshness)
	}
}
