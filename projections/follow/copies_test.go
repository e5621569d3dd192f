package follow_test

import (
	"context"
	"errors"
	"testing"

	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// A record is damaged in every copy of a cluster: a replica stops before it,
// and says where and on which server. Once one copy is whole again, it reads
// that one and goes on by itself.
func TestReturnsWithTheFirstWholeCopy(t *testing.T) {
	const damaged = 3
	nodes := journaltest.NewCluster(t)
	r := &replica{t: t, Journal: nodes[0].Open(journaltest.Replicated)}
	last := r.write("o1", "o2", "o3", "o4", "o5")
	for _, n := range nodes {
		n.Damage(damaged, last)
	}

	r = newReplica(t, nodes[1], journaltest.Replicated)
	r.connected()
	r.config.Single = false
	f := r.begin()
	// A copy that was not complete yet may have been noticed before.
	eventually(t, "the damage is noticed", func() bool {
		return errors.Is(f.Fresh(), follow.ErrDamaged) && f.Position() == damaged-1
	})
	if knows(f, "o4") {
		t.Errorf("went on to %d", f.Position())
	}
	eventually(t, "position and server are told", func() bool {
		named := 0
		for _, n := range nodes {
			named += r.log.count("this replica stops answering\" position=3 server=" + n.Name())
		}
		return named > 0
	})

	nodes[2].Damage(damaged, last)                              // the same bit once more
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience) // it tries again every ten seconds
	defer cancel()
	if err := f.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it answers", func() bool { return f.Fresh() == nil })
	var count int
	f.View(func(s *projections.State) { count = len(s.Organizations.IDs()) })
	if count != 5 {
		t.Errorf("%d organizations", count)
	}
	eventually(t, "it is told", func() bool { return r.log.count("the log is whole again") > 0 })
}
