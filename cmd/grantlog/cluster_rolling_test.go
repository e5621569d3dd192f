package main_test

import "testing"

// Sections 1 and 7: members are restarted one after the other, as for an
// upgrade, and whoever asks through a balancer notices nothing: what they lead
// is led by others before they go. Then one is lost, and no truth with it.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	app := c.members[0].create(c.members[0].token(c.administrator()))
	c.settled()

	l := newLoad(t, c.members, app)
	l.start()
	for i, s := range c.members {
		l.down[i].Store(true)
		s.restart()
		l.down[i].Store(false)
		l.more()
	}
	l.mu.Lock()
	// A connection that is idle when its server goes may take a request along.
	if l.cut > loadWorkers*len(c.members) {
		t.Errorf("%d of %d requests were cut off", l.cut, l.asked)
	}
	for _, r := range l.refused {
		t.Errorf("refused: %s", r)
	}
	l.mu.Unlock()

	l.down[1].Store(true)
	c.members[1].kill()
	l.more()
	c.members[1].start()
	l.down[1].Store(false)
	l.more()
	l.stop()
	c.settled()
}
