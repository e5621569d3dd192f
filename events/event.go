// Package events owns what happened: the event types, their one registry, the
// versioned JSON codec and the subjects they are written to. It knows nothing
// of NATS, state or HTTP and uses the standard library only.
//
// A record of the log is a page: one or more events that were made durable by
// one write. All events of a page share its position; their order in the page
// is their order in the log.
package events

import "time"

// Position is the sequence of a record in the stream. Zero stands before the
// first record.
type Position uint64

// Type is the stable, past-tense name of an event, such as "token.issued".
type Type string

// Data is the payload of an event: a pointer to one of the structs of this
// package.
type Data interface {
	// EventType names the event in the log. It never changes.
	EventType() Type
}

// Actor says who caused an event. All of it is derived by the server from the
// authenticated caller; none of it is taken from a request as given.
type Actor struct {
	Application string `json:"application,omitempty"` // application id, or a service credential's client_id
	User        string `json:"user,omitempty"`        // user id
	Replica     string `json:"-"`                     // written once per page
}

// Event is the envelope of one fact.
type Event struct {
	ID           string    // unique, server-made
	Type         Type      // equals Data.EventType()
	Version      int       // version of the payload's schema, from 1
	Time         time.Time // UTC, microsecond precision: the deciding replica's clock
	Organization string    // empty for facts of the whole server, such as keys
	Actor        Actor
	Correlation  string // id of the request that caused it
	Causation    string // id of the event that caused it, if another event did
	Data         Data
}

// Chain is the running hash over all records up to a position: every writer
// states the one it had seen, so a log that was reordered or shortened
// contradicts itself.
type Chain [32]byte

// Seen is how far a replica had applied the log when it wrote a page.
type Seen struct {
	Position Position `json:"position"`
	Chain    Chain    `json:"chain"`
}

// PageHeader is what a page says of itself, before its events.
type PageHeader struct {
	Commit  string `json:"commit"`  // idempotency id of the write: the NATS message id
	Replica string `json:"replica"` // the writer
	Seen    Seen   `json:"seen,omitzero"`
}
