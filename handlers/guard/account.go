package guard

import (
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// account is what the log is told at once.
type account struct {
	number  uint64
	entries []entry
	waiting []*waiter // in the order in which they were counted
}

// maxEntries bounds an account, so that its event stays far below what the
// stream takes at once.
const maxEntries = 2000

// usage is the account as it is written.
func (a *account) usage() []events.Usage {
	out := make([]events.Usage, len(a.entries))
	for i, e := range a.entries {
		out[i] = e.Usage
		out[i].Admitted -= e.undone
	}
	return out
}

// close makes accounts of what was counted since the last ones. The calls that
// wait are judged with the account that holds them.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var a *account
	for _, t := range l.open {
		if a == nil || len(a.entries)+len(t.entries) > maxEntries {
			l.number++
			a = &account{number: l.number}
			l.unsettled = append(l.unsettled, a)
		}
		a.entries = append(a.entries, t.entries...)
		t.entries, t.account = nil, a
	}
	for _, w := range l.waiting {
		w.tally.account.waiting = append(w.tally.account.waiting, w)
	}
	l.open, l.waiting = nil, nil
}

// judge lets those pass whom the log's order had room for: it refuses, from the
// last one on, as many as the account took their application or organization
// over a limit.
func (l *ledger) judge(a *account, r projections.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := map[string]int{}
	for _, w := range slices.Backward(a.waiting) {
		app, org := caller(w.pass), w.pass.Organization.ID
		over := r.Applications[app] > taken[app] || r.Organizations[org] > taken[org]
		if over {
			taken[app]++
			taken[org]++
		}
		switch {
		case w.gone:
		case over:
			l.undo(w.pass).Refused++
			w.verdict <- errOver
		default:
			w.verdict <- nil
		}
	}
	a.waiting = nil
}

// fail refuses those who wait: it is not known what becomes of their accounts.
func (l *ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.unsettled {
		for _, w := range a.waiting {
			if !w.gone {
				l.undo(w.pass)
				w.verdict <- err
			}
		}
		a.waiting = nil
	}
}

// next returns the oldest account that the state does not show.
func (l *ledger) next(s *projections.State) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(s)
	if len(l.unsettled) == 0 {
		return nil
	}
	return l.unsettled[0]
}

// settle forgets what the state shows by now.
func (l *ledger) settle(s *projections.State) {
	if len(l.unsettled) == 0 {
		return
	}
	shown := s.Usage.Report(l.replica).Number
	for len(l.unsettled) > 0 && l.unsettled[0].number <= shown {
		for i := range l.unsettled[0].entries {
			l.forget(&l.unsettled[0].entries[i])
		}
		l.unsettled = slices.Delete(l.unsettled, 0, 1)
	}
}

func (l *ledger) forget(e *entry) {
	subtract(l.applications, e.Application, e)
	subtract(l.organizations, e.Organization, e)
}

func subtract(of map[string]*tally, id string, e *entry) {
	t := tallyOf(of, id)
	t.given -= e.Admitted
	t.undone -= e.undone
	if t.given == 0 && t.undone == 0 && t.entries == nil {
		delete(of, id)
	}
}
