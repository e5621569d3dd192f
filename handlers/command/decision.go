// Package command owns the decisions: what a request may do, given the state
// and the time. Every function here is pure: no I/O, no clock, no randomness;
// ids and digests come in as arguments. The outcome is a Decision, the events
// to append, or an *Error that says in domain terms why not.
package command

import "github.com/grantlog/grantlog/events"

// Decision is what to append.
type Decision struct {
	Organization string        // whose events these are; empty for the server's own
	Subject      string        // one of the events package's subjects
	Events       []events.Data // at least one; they land in one record
	// Guard makes the append a compare-and-swap: the last record on Subject
	// that the decision knew of. Nil for facts that cannot conflict.
	Guard *events.Position
}

// fact is a decision to record something that cannot conflict.
func fact(organization string, d events.Data) (Decision, error) {
	subject, err := events.SubjectFor(organization, d)
	if err != nil {
		return Decision{}, Invalid("That id cannot be used")
	}
	return Decision{Organization: organization, Subject: subject, Events: []events.Data{d}}, nil
}

// edit is a decision that holds only if its aggregate is still at revision.
func edit(organization string, revision events.Position, d events.Data) (Decision, error) {
	dec, err := fact(organization, d)
	dec.Guard = &revision
	return dec, err
}
