package guard

import (
	"errors"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

// ledger counts what this replica judged and the state does not show yet. Its
// lock is taken inside View, so that what is counted here and what the state
// shows are never the same call; who holds it must not call View.
type ledger struct {
	replica string
	kick    chan struct{} // a call waits for an account

	mu            sync.Mutex
	applications  map[string]*tally
	organizations map[string]*tally
	open          []*tally // applications with entries of the next account
	waiting       []*waiter
	unsettled     []*account // written or not, the state does not show them; oldest first
	number        uint64     // of the last account
}

// tally is what an application or an organization did. It is forgotten when the
// state shows all of it.
type tally struct {
	given   int      // calls that were counted, waiting ones included
	undone  int      // of calls that were counted, here or in the state
	entries []entry  // of the next account; an application's only
	account *account // what its entries went into last
}

// entry is a line of an account. Its Admitted are given.
type entry struct {
	events.Usage
	undone int
}

// waiter is a counted call that must not pass before its account is judged.
type waiter struct {
	pass    Pass
	tally   *tally     // of the application
	gone    bool       // nobody waits any more; under the ledger's lock
	verdict chan error // nil: it may pass
}

// errOver: the log's order had no room for the call.
var errOver = errors.New("guard: over the limit")

func newLedger(replica string) *ledger {
	return &ledger{
		replica: replica, kick: make(chan struct{}, 1),
		applications: map[string]*tally{}, organizations: map[string]*tally{},
	}
}

// share is how many calls within its limits bring a replica to account for
// them at once.
func share(l events.Limits) int { return max(1, min(l.PerMinute, l.PerHour)/20) }

// admit counts a call, if there is quota for it, and returns what it must wait
// for, if anything.
func (l *ledger) admit(s *projections.State, now time.Time, p Pass) (command.Quota, *waiter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(s)
	app, org := l.tallies(p)
	quota, err := command.Admit(s, now, p.Application, p.Organization, unshown(app, org))
	if err != nil {
		l.entry(app, p).Refused++
		return quota, nil, err
	}
	l.entry(app, p).Admitted++
	app.given++
	org.given++
	if org.given < share(p.Organization.Quota()) && (p.Application == nil || app.given < share(p.Application.Quota())) {
		return quota, nil, nil
	}
	w := &waiter{pass: p, tally: app, verdict: make(chan error, 1)}
	l.waiting = append(l.waiting, w)
	select {
	case l.kick <- struct{}{}:
	default:
	}
	return quota, w, nil
}

// refuse counts a call that was refused before its quota was asked.
func (l *ledger) refuse(s *projections.State, p Pass) command.Unshown {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(s)
	app, org := l.tallies(p)
	l.entry(app, p).Refused++
	return unshown(app, org)
}

// failed counts a call that passed and was answered with an error.
func (l *ledger) failed(p Pass) {
	l.mu.Lock()
	defer l.mu.Unlock()
	app, _ := l.tallies(p)
	l.entry(app, p).Errors++
}

// abandon takes a call back whose caller waits no more.
func (l *ledger) abandon(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.gone || len(w.verdict) > 0 {
		return // judged meanwhile
	}
	w.gone = true
	l.undo(w.pass)
}

// undo takes a counted call back: it did not pass.
func (l *ledger) undo(p Pass) *entry {
	app, org := l.tallies(p)
	app.undone++
	org.undone++
	e := l.entry(app, p)
	e.undone++
	return e
}

// unshown is what the state does not show of the callers of a pass.
func (l *ledger) unshown(s *projections.State, p Pass) command.Unshown {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(s)
	app, org := l.applications[caller(p)], l.organizations[p.Organization.ID]
	if app == nil {
		app = &tally{}
	}
	if org == nil {
		org = &tally{}
	}
	return unshown(app, org)
}

func unshown(app, org *tally) command.Unshown {
	return command.Unshown{Application: app.given - app.undone, Organization: org.given - org.undone}
}

// tallies returns those that a call counts in.
func (l *ledger) tallies(p Pass) (app, org *tally) {
	return tallyOf(l.applications, caller(p)), tallyOf(l.organizations, p.Organization.ID)
}

// caller is the id that a call is counted for.
func caller(p Pass) string {
	if p.Application != nil {
		return p.Application.ID
	}
	return p.Token.Application
}

func tallyOf(of map[string]*tally, id string) *tally {
	t := of[id]
	if t == nil {
		t = &tally{}
		of[id] = t
	}
	return t
}

// entry returns the line of the next account for a call's caller, secret and
// second.
func (l *ledger) entry(t *tally, p Pass) *entry {
	for i := len(t.entries) - 1; i >= 0; i-- {
		if e := &t.entries[i]; e.Second == p.second && e.Secret == p.Token.Secret {
			return e
		}
	}
	if len(t.entries) == 0 {
		l.open = append(l.open, t)
	}
	t.entries = append(t.entries, entry{Usage: events.Usage{
		Organization: p.Organization.ID, Application: caller(p), Secret: p.Token.Secret, Second: p.second,
	}})
	return &t.entries[len(t.entries)-1]
}
