package projections

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Webhook is a receiver that an organization's endings are pushed to. Values
// are immutable.
type Webhook struct {
	ID           string `json:"id"`
	Organization string `json:"organization"`
	events.WebhookSettings
	Authorization []byte    `json:"authorization,omitempty"` // sealed
	CreatedAt     time.Time `json:"createdAt"`
	// Created orders listings; two of one record differ in Ordinal.
	Created events.Position `json:"created"`
	Ordinal int             `json:"ordinal,omitempty"`
	// Revision is the guard of everything that happens to it.
	Revision events.Position `json:"revision"`

	// Position and Amid are how far the receiver acknowledged, as far as the
	// log was told; see events.WebhookProgress.
	Position       events.Position `json:"position"`
	Amid           int             `json:"amid,omitempty"`
	Acknowledged   int             `json:"acknowledged,omitempty"` // pushes in all
	AcknowledgedAt time.Time       `json:"acknowledgedAt,omitzero"`

	// Lease names the right to push, Holder the replica that has it or had it
	// last.
	Lease       string    `json:"lease,omitempty"`
	LeasedUntil time.Time `json:"leasedUntil,omitzero"`
	Holder      string    `json:"holder,omitempty"`

	// Attempts counts the failures since a push was last acknowledged.
	Attempts     int       `json:"attempts,omitempty"`
	FailingSince time.Time `json:"failingSince,omitzero"`
	RetryAt      time.Time `json:"retryAt,omitzero"`
	// Error is the last failure, also of one that was overcome.
	Error    string    `json:"error,omitempty"`
	FailedAt time.Time `json:"failedAt,omitzero"`
	DiedAt   time.Time `json:"diedAt,omitzero"`
}

// Dead reports whether nothing is pushed until the webhook is resumed.
func (w *Webhook) Dead() bool { return !w.DiedAt.IsZero() }

// Failing reports whether the last push was not acknowledged.
func (w *Webhook) Failing() bool { return w.Attempts > 0 }

// Reached is the position up to which everything is acknowledged.
func (w *Webhook) Reached() events.Position {
	if w.Amid > 0 {
		return w.Position - 1
	}
	return w.Position
}

// Free is when somebody may push next.
func (w *Webhook) Free() time.Time {
	if w.LeasedUntil.After(w.RetryAt) {
		return w.LeasedUntil
	}
	return w.RetryAt
}

// Place is where a webhook stands among its organization's.
func (w *Webhook) Place() Place { return Place{w.Organization, w.Created, w.Ordinal} }

// Webhooks is what the log says of receivers, and where the last ending of each
// organization stands.
type Webhooks struct {
	byID map[string]*Webhook
	creations[*Webhook]
	ended map[string]events.Position
}

func newWebhooks() *Webhooks {
	return &Webhooks{byID: map[string]*Webhook{}, creations: creations[*Webhook]{}, ended: map[string]events.Position{}}
}

// Get finds a webhook.
func (p *Webhooks) Get(id string) (*Webhook, bool) {
	w, ok := p.byID[id]
	return w, ok
}

// All gives every webhook, in no order.
func (p *Webhooks) All(yield func(*Webhook) bool) {
	for _, w := range p.byID {
		if !yield(w) {
			return
		}
	}
}

// Lag is how many records the newest ending of the webhook's organization is
// ahead of what was acknowledged; 0: there is nothing to push.
func (p *Webhooks) Lag(w *Webhook) events.Position {
	if last, reached := p.ended[w.Organization], w.Reached(); last > reached {
		return last - reached
	}
	return 0
}

// revocations begins the subjects that carry endings, and nothing else does.
var revocations = events.RevocationsSubject("")

// note sees every record: those of the revocations family are endings.
func (p *Webhooks) note(r Record, at at) {
	if strings.HasPrefix(r.Subject, revocations) {
		p.ended[strings.Clone(at.organization)] = at.position
	}
}

func (p *Webhooks) create(at at, d *events.WebhookCreated) {
	if _, taken := p.byID[d.ID]; taken {
		return
	}
	p.put(&Webhook{
		ID: d.ID, Organization: strings.Clone(at.organization), WebhookSettings: d.WebhookSettings, Authorization: d.Authorization,
		CreatedAt: at.time, Created: at.position, Ordinal: at.ordinal, Revision: at.revision(), Position: d.After,
	})
}

func (p *Webhooks) put(w *Webhook) {
	p.byID[w.ID] = w
	p.creations.add(w)
}

// edit replaces a value by a changed copy.
func (p *Webhooks) edit(at at, id string, change func(*Webhook)) {
	old, ok := p.byID[id]
	if !ok || old.Organization != at.organization {
		return
	}
	w := *old
	change(&w)
	w.Revision = at.revision()
	p.byID[id] = &w
	p.creations.replace(&w)
}

func (p *Webhooks) lease(at at, d *events.WebhookLeased) {
	p.edit(at, d.ID, func(w *Webhook) { w.Lease, w.LeasedUntil, w.Holder = d.Lease, d.Until, strings.Clone(at.replica) })
}

// progress moves the place, and ends a row of failures if anything was
// acknowledged since.
func (w *Webhook) progress(at at, d events.WebhookProgress) {
	w.Position, w.Amid = d.Position, d.Amid
	if d.Acknowledged > 0 {
		w.Acknowledged, w.AcknowledgedAt = w.Acknowledged+d.Acknowledged, at.time
		w.Attempts, w.FailingSince, w.RetryAt = 0, time.Time{}, time.Time{}
	}
}

func (w *Webhook) release() { w.Lease, w.LeasedUntil = "", time.Time{} }

func (p *Webhooks) advance(at at, d *events.WebhookAdvanced) {
	p.edit(at, d.ID, func(w *Webhook) {
		w.progress(at, d.WebhookProgress)
		if w.LeasedUntil = d.Until; d.Until.IsZero() {
			w.release()
		}
	})
}

func (p *Webhooks) fail(at at, d *events.WebhookFailed) {
	p.edit(at, d.ID, func(w *Webhook) { w.failed(at, d.WebhookProgress, d.Error, d.RetryAt) })
}

func (w *Webhook) failed(at at, progress events.WebhookProgress, text string, retry time.Time) {
	w.progress(at, progress)
	w.release()
	if w.Attempts++; w.Attempts == 1 {
		w.FailingSince = at.time
	}
	w.Error, w.FailedAt, w.RetryAt = text, at.time, retry
}

func (p *Webhooks) die(at at, d *events.WebhookDied) {
	p.edit(at, d.ID, func(w *Webhook) {
		w.failed(at, d.WebhookProgress, d.Error, time.Time{})
		w.DiedAt = at.time
	})
}

func (p *Webhooks) resume(at at, d *events.WebhookResumed) {
	p.edit(at, d.ID, func(w *Webhook) {
		w.release()
		w.Attempts, w.FailingSince, w.RetryAt, w.DiedAt = 0, time.Time{}, time.Time{}, time.Time{}
		if d.After != nil {
			w.Position, w.Amid = *d.After, 0
		}
	})
}

func (p *Webhooks) remove(at at, d *events.WebhookDeleted) {
	w, ok := p.byID[d.ID]
	if !ok || w.Organization != at.organization {
		return
	}
	delete(p.byID, w.ID)
	p.creations.remove(w)
}

// frozen returns a copy that later changes do not show in.
func (p *Webhooks) frozen() Webhooks {
	return Webhooks{byID: maps.Clone(p.byID), ended: maps.Clone(p.ended)}
}

// webhooks writes the sections of webhooks and of what there is to push.
func (e *sectionWriter) webhooks(p *Webhooks) {
	for _, id := range slices.Sorted(maps.Keys(p.byID)) {
		e.json(sectionWebhook, p.byID[id])
	}
	if len(p.ended) > 0 {
		e.json(sectionEnded, p.ended)
	}
}

// restore takes a value out of a snapshot.
func (p *Webhooks) restore(w *Webhook) bool {
	_, taken := p.byID[w.ID]
	p.put(w)
	return !taken
}

func (p *Webhooks) restoreEnded(ended *map[string]events.Position) bool {
	if len(p.ended) > 0 || len(*ended) == 0 {
		return false
	}
	p.ended = *ended
	return true
}
