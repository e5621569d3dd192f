package main_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// A fault is made again and again, under load. Whoever makes one returns when
// it is over, though the cluster may still have to recover. The single fault
// that a cluster survives is that of one member: so data are taken from one
// only when all others have them.
type fault struct {
	name string
	make func(f *faults, c *cluster, l *load)
}

// memberFaults befall a cluster of three servers.
var memberFaults = []fault{
	{"kill -9 of one", kill},
	{"kill -9 of all", blackout},
	{"SIGSTOP", freeze},
	{"partition", partition},
	{"one-way loss", oneWayLoss},
	{"slow links", slowLinks},
	{"damaged copy", damageCopy},
}

// The fault suite, `make cluster`: each fault again and again, for a minute or
// as long as GRANTLOG_FAULTS says, then all of them in any order. Which ones, in
// which order and when, follows from a seed: GRANTLOG_FAULTS_SEED repeats it.
// SECURITY.md G1 to G4, G6, G10.
func TestFaults(t *testing.T) {
	value := os.Getenv("GRANTLOG_FAULTS")
	if value == "" {
		t.Skip("SKIP: the fault suite takes minutes: make cluster, or GRANTLOG_FAULTS=1 go test -run '^TestFaults$' ./cmd/grantlog")
	}
	f := newFaults(t, time.Minute)
	if each, err := time.ParseDuration(value); err == nil {
		f.each = each
	}
	for _, fault := range memberFaults {
		t.Run(fault.name, func(t *testing.T) { f.in(t).members(fault) })
	}
	t.Run("all of them", func(t *testing.T) { f.in(t).members(f.any()) })
	t.Run("archiving", func(t *testing.T) { f.in(t).members(fault{"archiving", archiving}) })
	t.Run("step-down each second", func(t *testing.T) { f.in(t).onNATS(stepDown) })
	t.Run("loss of a NATS server", func(t *testing.T) { f.in(t).onNATS(loseNATS) })
	t.Run("limits across a partition", limitsAcrossAPartition)
	t.Run("upgrade and way back", upgradeOfMembers)
	t.Logf("seed %d, %v each\n%s", f.seed, f.each, f.table)
}

// The suite in short: one cluster, and as many of its faults as some seconds
// allow. The race detector would make of it a test of patience.
func TestFaultsInShort(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("SKIP: runs without the race detector")
	}
	f := newFaults(t, 8*time.Second)
	f.pace, f.stalest = 0.1, 3*time.Second
	f.members(f.any())
	t.Logf("seed %d\n%s", f.seed, f.table)
}

// faults is a run of the suite.
type faults struct {
	t       testing.TB
	each    time.Duration // how long each fault is made
	pace    float64       // of the full length of pauses
	stalest time.Duration // --max-staleness
	seed    uint64
	rand    *rand.Rand
	table   *table
}

func newFaults(t testing.TB, each time.Duration) *faults {
	f := &faults{t: t, each: each, pace: 1, stalest: maxStaleness, seed: uint64(time.Now().UnixNano()), table: &table{}}
	if seed, err := strconv.ParseUint(os.Getenv("GRANTLOG_FAULTS_SEED"), 10, 64); err == nil {
		f.seed = seed
	}
	t.Logf("seed %d", f.seed)
	return f.in(t)
}

// in returns the faults for use in a subtest, from their beginning.
func (f *faults) in(t testing.TB) *faults {
	sub := *f
	sub.t, sub.rand = t, rand.New(rand.NewPCG(f.seed, 0))
	return &sub
}

// between is a random time.
func (f *faults) between(least, most time.Duration) <-chan time.Time {
	span := float64(least) + f.rand.Float64()*float64(most-least)
	return time.After(time.Duration(f.pace * span))
}

// any is all faults in any order.
func (f *faults) any() fault {
	var order []int
	return fault{"all of them", func(f *faults, c *cluster, l *load) {
		if len(order) == 0 {
			order = f.rand.Perm(len(memberFaults))
		}
		next := memberFaults[order[0]]
		order = order[1:]
		f.t.Logf("%s", next.name)
		next.make(f, c, l)
	}}
}

// seed is who uses the clusters of the suite.
const faultsSeed = `
organizations:
  - id: acme
    name: Acme
    partnerId: "10000"
    users:
      - {email: "Agent@Example.com", passwordEnv: AGENT_PASSWORD, role: AGENT, siteId: 10115}
    applications:
      - {name: Load, clientId: app_load, clientSecretEnv: USERS_SECRET, scopes: [read], grantTypes: [client_credentials]}
      - {name: Mobile, clientId: app_mobile, scopes: [openid], grantTypes: [password, refresh_token]}
`

// run starts the members, makes the fault under load, lets everything recover
// and judges what clients were told.
func (f *faults) run(c *cluster, made fault) *figures {
	f.t.Helper()
	seed := writeFile(f.t, "seed.yaml", faultsSeed)
	for _, s := range c.members {
		s.args = append(s.args, "--seed", seed, "--max-staleness", f.stalest.String())
		s.env = append(s.env, "AGENT_PASSWORD="+agentPassword, "USERS_SECRET="+usersSecret)
		s.launch()
	}
	c.recovered()
	l := newLoad(f.t, c.members, application{ClientID: "app_load", ClientSecret: usersSecret})
	l.stalest, l.families = f.stalest, &families{load: l}
	l.start()
	l.more()
	row := &figures{name: made.name, load: l}
	for began := time.Now(); time.Since(began) < f.each; row.times++ {
		made.make(f, c, l)
	}
	c.recovered()
	l.more()
	row.bad = l.stop()
	c.settled()
	f.table.rows = append(f.table.rows, row)
	return row
}

// members makes a fault of the members of a cluster, and looks at every
// member's own copy of the log at the end.
func (f *faults) members(made fault) {
	f.t.Helper()
	between := newLinks(f.t)
	c := prepareCluster(f.t)
	between.connect(c)
	c.onDisk(f.t)
	row := f.run(c, made)
	c.stored(c.settled())
	for _, s := range c.members {
		s.stop()
		if r := c.verify(s); r.code != 0 {
			f.t.Errorf("verify of %s: %d\n%s%s", s.data, r.code, r.stdout, r.stderr)
		}
		row.look(f.t, run(f.t, nil, c.withArchives("tail", "--no-follow", "--after", "0", "--data", s.data, c.key)...))
	}
}

// onNATS makes a fault of an external cluster, on which three servers run.
func (f *faults) onNATS(of func(*natsCluster) fault) {
	f.t.Helper()
	n := startNATSCluster(f.t)
	c := n.prepareReplicas()
	row := f.run(c, of(n))
	row.look(f.t, run(f.t, []string{n.setting()}, "tail", "--no-follow", "--after", "0", c.key))
}
