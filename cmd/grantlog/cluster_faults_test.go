package main_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// The fault suite, `make cluster`: each fault again and again under load, for a
// minute or as long as GRANTLOG_FAULTS says. SECURITY.md G1 to G4.
func TestFaults(t *testing.T) {
	value := os.Getenv("GRANTLOG_FAULTS")
	if value == "" {
		t.Skip("SKIP: the fault suite takes minutes: make cluster, or GRANTLOG_FAULTS=1 go test -run TestFaults ./cmd/grantlog")
	}
	f := &faults{t: t, each: time.Minute, seed: uint64(time.Now().UnixNano())}
	if each, err := time.ParseDuration(value); err == nil {
		f.each = each
	}
	if seed, err := strconv.ParseUint(os.Getenv("GRANTLOG_FAULTS_SEED"), 10, 64); err == nil {
		f.seed = seed
	}
	t.Logf("seed %d", f.seed)
	t.Run("kill", func(t *testing.T) { f.in(t).members(f.kill) })
	t.Run("blackout", func(t *testing.T) { f.in(t).members(f.blackout) })
	t.Run("freeze", func(t *testing.T) { f.in(t).members(f.freeze) })
	t.Run("step down", func(t *testing.T) { f.in(t).stepDown() })
	t.Run("lose a NATS server", func(t *testing.T) { f.in(t).loseNATS() })
}

type faults struct {
	t    testing.TB
	each time.Duration // how long each fault is made
	seed uint64
	rand *rand.Rand
}

// in returns the faults for use in a subtest, from their beginning.
func (f *faults) in(t testing.TB) *faults {
	return &faults{t: t, each: f.each, seed: f.seed, rand: rand.New(rand.NewPCG(f.seed, 0))}
}

// between is a random time.
func (f *faults) between(least, most time.Duration) <-chan time.Time {
	return time.After(least + time.Duration(f.rand.Int64N(int64(most-least))))
}

// under makes a fault again and again under load, then lets everything
// recover and judges what the clients were told.
func (f *faults) under(c *cluster, fault func(f *faults, l *load)) {
	f.t.Helper()
	app := c.members[0].create(c.members[0].token(c.administrator()))
	c.settled()
	l := startLoad(f.t, c.members, app)
	count := 0
	for began := time.Now(); time.Since(began) < f.each; count++ {
		fault(f, l)
	}
	c.ready()
	l.more()
	l.stop()
	f.t.Logf("%d faults", count)
	c.settled()
}

// members makes a fault of the members of a cluster, and looks at every
// member's log at the end.
func (f *faults) members(fault func(f *faults, l *load)) {
	f.t.Helper()
	c := startCluster(f.t)
	f.under(c, fault)
	for _, s := range c.members {
		s.stop()
		if r := run(f.t, nil, "verify", "--data", s.data, c.key); r.code != 0 {
			f.t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
}

// kill ends a member as a power cut ends its process. Requests are sent to it
// all the same: nobody was told.
func (*faults) kill(f *faults, l *load) {
	s := l.members[f.rand.IntN(len(l.members))]
	s.kill()
	<-f.between(0, 12*time.Second)
	s.start()
	<-f.between(0, 3*time.Second)
}

// blackout ends all members at once, and starts them again one after the
// other.
func (*faults) blackout(f *faults, l *load) {
	for _, s := range l.members {
		s.kill()
	}
	for _, i := range f.rand.Perm(len(l.members)) {
		<-f.between(0, 2*time.Second)
		l.members[i].launch()
	}
	for _, s := range l.members {
		s.ready()
	}
	<-f.between(time.Second, 5*time.Second)
}

// freeze stops a member in its tracks, for longer or shorter than an election
// takes and than a replica may go without the log. It goes on with what it
// knew then.
func (*faults) freeze(f *faults, l *load) {
	s := l.members[f.rand.IntN(len(l.members))]
	s.signal(syscall.SIGSTOP)
	<-f.between(0, 15*time.Second)
	s.signal(syscall.SIGCONT)
	<-f.between(0, 3*time.Second)
}

// stepDown takes the lead of the log from whoever has it, each second.
func (f *faults) stepDown() {
	f.t.Helper()
	n := startNATSCluster(f.t)
	nc := n.connect("grantlog", natsPassword)
	f.under(n.startReplicas(), func(f *faults, _ *load) {
		if _, err := nc.Request("$JS.API.STREAM.LEADER.STEPDOWN.GRANTLOG", nil, 5*time.Second); err != nil {
			f.t.Logf("step down: %v", err)
		}
		<-time.After(time.Second)
	})
}

// loseNATS stops a server of the external cluster and starts it again.
func (f *faults) loseNATS() {
	f.t.Helper()
	n := startNATSCluster(f.t)
	f.under(n.startReplicas(), func(f *faults, _ *load) {
		i := f.rand.IntN(len(n.servers))
		n.stop(i)
		<-f.between(0, 10*time.Second)
		n.start(i)
		<-f.between(0, 5*time.Second)
	})
}
