package events

import "time"

// WebhookSettings say where the revocations of an organization are pushed to.
type WebhookSettings struct {
	URL      string `json:"url"`
	Audience string `json:"audience,omitempty"` // aud of what is pushed; empty: the URL
	Private  bool   `json:"private,omitempty"`  // may be on a loopback, private or link-local address
}

// WebhookProgress is how far a receiver acknowledged.
type WebhookProgress struct {
	Position Position `json:"position"`
	// Amid counts the first events of the record at Position that are dealt
	// with; 0: all of it.
	Amid         int `json:"amid,omitempty"`
	Acknowledged int `json:"acknowledged,omitempty"` // pushes, since this was last told
}

// WebhookCreated begins to push the endings after a position.
type WebhookCreated struct {
	ID string `json:"id"`
	WebhookSettings
	// Authorization is what the receiver wants to see in the header of that
	// name, sealed and bound to "webhook/<organization>/<id>".
	Authorization []byte   `json:"authorization,omitempty"`
	After         Position `json:"after"`
}

// WebhookLeased gives one replica the right to push, until a time. A holder
// that is gone is replaced by whoever leases next.
type WebhookLeased struct {
	ID    string    `json:"id"`
	Lease string    `json:"lease"`
	Until time.Time `json:"until"`
}

// WebhookAdvanced tells what was acknowledged under the lease.
type WebhookAdvanced struct {
	ID string `json:"id"`
	WebhookProgress
	Until time.Time `json:"until,omitzero"` // of the lease from now on; zero: it is given back
}

// WebhookFailed says that a push was not acknowledged. It gives the lease back.
type WebhookFailed struct {
	ID string `json:"id"`
	WebhookProgress
	Error   string    `json:"error"`
	RetryAt time.Time `json:"retryAt"`
}

// WebhookDied ends the pushing until it is resumed: the receiver failed for too
// long, or refused for good.
type WebhookDied struct {
	ID string `json:"id"`
	WebhookProgress
	Error string `json:"error"`
}

// WebhookResumed goes on at once, from any place: also for a webhook that never
// died.
type WebhookResumed struct {
	ID    string    `json:"id"`
	After *Position `json:"after,omitempty"` // absent: from where it stopped
}

// WebhookDeleted ends a webhook for good.
type WebhookDeleted struct {
	ID string `json:"id"`
}

func (*WebhookCreated) EventType() Type  { return "webhook.created" }
func (*WebhookLeased) EventType() Type   { return "webhook.leased" }
func (*WebhookAdvanced) EventType() Type { return "webhook.advanced" }
func (*WebhookFailed) EventType() Type   { return "webhook.failed" }
func (*WebhookDied) EventType() Type     { return "webhook.died" }
func (*WebhookResumed) EventType() Type  { return "webhook.resumed" }
func (*WebhookDeleted) EventType() Type  { return "webhook.deleted" }
