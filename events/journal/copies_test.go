package journal_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// One server's copy of a record is damaged on its disk. Whoever reads there is
// given every record all the same, from another server's copy, and is told
// which copy is bad and where.
func TestReadGoesRoundADamagedCopy(t *testing.T) {
	const pages, damaged = 40, 20
	nodes := journaltest.NewCluster(t)
	first := nodes[0].Open(journaltest.Replicated)
	for i := range pages {
		mustAppend(t, first, events.BeaconsSubject(), beacon(fmt.Sprint(i)))
	}
	bad := nodes[2]
	bad.Damage(damaged, pages)

	var mu sync.Mutex
	told := map[journal.Damage]int{}
	j := bad.Open(journaltest.Replicated, func(c *journal.Config) {
		c.Damaged = func(d journal.Damage) {
			mu.Lock()
			defer mu.Unlock()
			told[d]++
		}
	})
	// A tail reads where its connection ends, once that server has caught up.
	// Which record fails depends on what the server makes of the damaged one.
	eventually(t, "the damaged copy is read", func() bool {
		if got := len(tail(t, j, journal.Cursor{}, pages)); got != pages {
			t.Fatalf("%d of %d records", got, pages)
		}
		mu.Lock()
		defer mu.Unlock()
		return len(told) > 0
	})
	for d := range told {
		if d.Server != bad.Name() || d.Position != damaged {
			t.Errorf("blamed: %+v, want position %d of %s", d, damaged, bad.Name())
		}
	}
}

// As long as one copy is whole, a reading finds it.
func TestReadFindsTheOneWholeCopy(t *testing.T) {
	const pages, damaged = 40, 20
	nodes := journaltest.NewCluster(t)
	first := nodes[0].Open(journaltest.Replicated)
	for i := range pages {
		mustAppend(t, first, events.BeaconsSubject(), beacon(fmt.Sprint(i)))
	}
	for _, bad := range nodes[:2] {
		bad.Damage(damaged, pages)
	}
	for _, node := range nodes {
		j := node.Open(journaltest.Replicated)
		if got := len(tail(t, j, journal.Cursor{}, pages)); got != pages {
			t.Errorf("%d of %d records", got, pages)
		}
	}
}

// Where all copies are damaged, the error says where and whose was read last.
func TestDamageNamesTheServer(t *testing.T) {
	env := journaltest.New(t)
	j := env.Open()
	for i := range 5 {
		mustAppend(t, j, events.BeaconsSubject(), beacon(fmt.Sprint(i)))
	}
	env.Stop()
	env.FlipBit(3)
	env.Start()
	err := j.Read(t.Context(), journal.Cursor{}, 5, func(*journal.Record) error { return nil })
	var gap *journal.GapError
	var damage *journal.DamageError
	switch {
	case errors.As(err, &gap) && gap.Want == 3 && gap.Server == env.Name():
	case errors.As(err, &damage) && damage.Position == 3 && damage.Server == env.Name():
	default:
		t.Errorf("read: %#v", err)
	}
}
