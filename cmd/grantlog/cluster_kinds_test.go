package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// kill ends a member as a power cut ends its process. Requests are sent to it
// all the same: nobody was told.
func kill(f *faults, _ *cluster, l *load) {
	s := l.members[f.rand.IntN(len(l.members))]
	s.kill()
	<-f.between(0, 12*time.Second)
	s.launch()
	s.recovered()
	<-f.between(0, 3*time.Second)
}

// blackout ends all members at once, and starts them again one after the
// other.
func blackout(f *faults, c *cluster, l *load) {
	for _, s := range l.members {
		s.kill()
	}
	for _, i := range f.rand.Perm(len(l.members)) {
		<-f.between(0, 2*time.Second)
		l.members[i].launch()
	}
	c.recovered()
	<-f.between(time.Second, 5*time.Second)
}

// freeze stops a member in its tracks, for longer or shorter than an election
// takes and than a replica may go without the log. It goes on with what it
// knew then.
func freeze(f *faults, _ *cluster, l *load) {
	s := l.members[f.rand.IntN(len(l.members))]
	s.signal(syscall.SIGSTOP)
	<-f.between(0, 15*time.Second)
	s.signal(syscall.SIGCONT)
	<-f.between(0, 3*time.Second)
}

// partition keeps members apart: one from both others, whose connections to it
// end or stay and carry nothing; or two that both hear the third.
func partition(f *faults, c *cluster, l *load) {
	one, others := f.split(l)
	apart := rule{cut: f.rand.IntN(2) == 0}
	apart.lose = !apart.cut
	alone := f.rand.IntN(3) > 0
	if !alone {
		others = others[:1]
	}
	c.links.set(apart, one, others)
	c.links.set(apart, others, one)
	if alone {
		// It has no other way to the others.
		if _, _, written := l.post(one[0], "/oauth/token", "", "grant_type", "client_credentials"); written != "" {
			f.t.Error("a member that is cut off acknowledges a write")
		}
	}
	<-f.between(0, 15*time.Second)
	c.links.heal()
	<-f.between(0, 3*time.Second)
}

// oneWayLoss makes a member deaf or dumb, to both others or to one.
func oneWayLoss(f *faults, c *cluster, l *load) {
	from, to := f.split(l)
	switch f.rand.IntN(3) {
	case 0:
		from, to = to, from
	case 1:
		to = to[:1]
	}
	c.links.set(rule{lose: true}, from, to)
	<-f.between(0, 15*time.Second)
	c.links.heal()
	<-f.between(0, 3*time.Second)
}

// slowLinks delays what a member says and hears, by other times.
func slowLinks(f *faults, c *cluster, l *load) {
	const most = 50 * time.Millisecond
	one, others := f.split(l)
	c.links.set(rule{wait: time.Duration(f.rand.Int64N(int64(most)))}, one, others)
	c.links.set(rule{wait: time.Duration(f.rand.Int64N(int64(most)))}, others, one)
	<-f.between(0, 10*time.Second)
	c.links.heal()
}

// split chooses one member.
func (f *faults) split(l *load) (one, others []int) {
	order := f.rand.Perm(len(l.members))
	return order[:1], order[1:]
}

// damageCopy flips a bit in a member's copy of the log, or cuts off the end of
// one of its files, while the member is stopped, was killed or runs. At the
// end the member is given a new copy, if its own one is not whole.
func damageCopy(f *faults, c *cluster, l *load) {
	s := l.members[f.rand.IntN(len(l.members))]
	how := f.rand.IntN(3)
	switch how {
	case 0:
		s.stop()
	case 1:
		s.kill()
	}
	f.harm(s)
	if how == 2 {
		<-f.between(0, 5*time.Second)
		s.kill()
	}
	<-f.between(0, 5*time.Second)
	s.launch()
	s.recovered()
	<-f.between(0, 5*time.Second)
	s.stop()
	if r := c.verify(s); r.code != 0 {
		f.t.Log(strings.TrimSpace(r.stderr))
		oneClearLine(f.t, r, "position")
		s.newCopy()
	}
	s.launch()
	c.recovered()
	c.settled()
}

// harm damages a file of a member's copy of the log.
func (f *faults) harm(s *server) {
	files, err := filepath.Glob(filepath.Join(s.copyOfLog(), "*.blk"))
	if err != nil || len(files) == 0 {
		f.t.Fatalf("block files %v, %v", files, err)
	}
	file, err := os.OpenFile(files[f.rand.IntN(len(files))], os.O_RDWR, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		f.t.Fatal(err)
	}
	at := int64(f.rand.Float64() * float64(info.Size()))
	if f.rand.IntN(2) == 0 {
		f.t.Logf("%s ends at %d of %d", info.Name(), at, info.Size())
		err = file.Truncate(at)
	} else {
		f.t.Logf("%s has a flipped bit at %d of %d", info.Name(), at, info.Size())
		err = flipBit(file, at)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func flipBit(file *os.File, at int64) error {
	var b [1]byte
	if _, err := file.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 1
	_, err := file.WriteAt(b[:], at)
	return err
}

// stepDown takes the lead of the log from whoever has it, each second.
func stepDown(n *natsCluster) fault {
	nc := n.connect("grantlog", natsPassword)
	return fault{"step-down each second", func(f *faults, _ *cluster, _ *load) {
		if _, err := nc.Request("$JS.API.STREAM.LEADER.STEPDOWN.GRANTLOG", nil, 5*time.Second); err != nil {
			f.t.Logf("step down: %v", err)
		}
		<-time.After(time.Second)
	}}
}

// loseNATS stops a server of the external cluster and starts it again.
func loseNATS(n *natsCluster) fault {
	return fault{"loss of a NATS server", func(f *faults, _ *cluster, _ *load) {
		i := f.rand.IntN(len(n.servers))
		n.stop(i)
		<-f.between(0, 10*time.Second)
		n.start(i)
		<-f.between(0, 5*time.Second)
	}}
}
