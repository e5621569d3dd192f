package projections

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Provider is a third party that gives tokens. Values are immutable.
type Provider struct {
	Organization string `json:"organization"`
	Name         string `json:"name"`
	events.ProviderSettings
	Secret []byte `json:"secret,omitempty"` // sealed
	// Revision is the guard of edits; a removed provider keeps it.
	Revision events.Position `json:"revision"`
	Removed  bool            `json:"removed,omitempty"`
}

// Authentication holds the tokens of a login at a provider, sealed. Values are
// immutable.
type Authentication struct {
	ID           string    `json:"id"`
	Organization string    `json:"organization"`
	Provider     string    `json:"provider"`
	Tokens       []byte    `json:"tokens"`
	ExpiresAt    int64     `json:"expiresAt"` // Unix seconds
	Failed       string    `json:"failed,omitempty"`
	CreatedAt    time.Time `json:"createdAt"`
	// Created orders listings; two of one record differ in Ordinal.
	Created events.Position `json:"created"`
	Ordinal int             `json:"ordinal,omitempty"`
	// Revision is the guard of everything that happens to it.
	Revision events.Position `json:"revision"`
	// LeasedUntil is when the right to refresh is free again, Unix seconds.
	LeasedUntil int64 `json:"leasedUntil,omitempty"`
	// Attempts counts the leases since the tokens last changed.
	Attempts int `json:"attempts,omitempty"`
	// Key is the Idempotency-Key of the refresh that is under way, whoever
	// leases it; empty: none was begun since the tokens last changed.
	Key string `json:"key,omitempty"`
}

// Active reports whether the tokens are used and refreshed.
func (a *Authentication) Active() bool { return a.Failed == "" }

// Place is where an authentication stands among its organization's.
func (a *Authentication) Place() Place { return Place{a.Organization, a.Created, a.Ordinal} }

// Connections is what the log says of third parties.
type Connections struct {
	providers map[string]*Provider // organization/name
	byID      map[string]*Authentication
	creations[*Authentication]
}

func newConnections() *Connections {
	return &Connections{
		providers: map[string]*Provider{}, byID: map[string]*Authentication{}, creations: creations[*Authentication]{},
	}
}

func providerKey(organization, name string) string { return organization + "/" + name }

// Provider finds a provider.
func (p *Connections) Provider(organization, name string) (*Provider, bool) {
	v, ok := p.providers[providerKey(organization, name)]
	return v, ok && !v.Removed
}

// ProviderRevision is the guard of a provider's edits, also of one that was
// removed or never was.
func (p *Connections) ProviderRevision(organization, name string) events.Position {
	if v, ok := p.providers[providerKey(organization, name)]; ok {
		return v.Revision
	}
	return 0
}

// Providers lists an organization's providers by name.
func (p *Connections) Providers(organization string) (list []*Provider) {
	for _, v := range p.providers {
		if v.Organization == organization && !v.Removed {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b *Provider) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Get finds an authentication.
func (p *Connections) Get(id string) (*Authentication, bool) {
	a, ok := p.byID[id]
	return a, ok
}

// Of lists an organization's authentications, oldest first. The slice must not
// be changed and is valid as long as the state is not applied to.
func (p *Connections) Of(organization string) []*Authentication { return p.creations[organization] }

// Due lists up to limit authentications whose access token expires at or
// before a time (Unix seconds) and whose refresh nobody holds at now.
func (p *Connections) Due(expires, now int64, limit int) (due []*Authentication) {
	for _, a := range p.byID {
		if a.Active() && a.ExpiresAt <= expires && a.LeasedUntil <= now {
			if due = append(due, a); len(due) == limit {
				break
			}
		}
	}
	return due
}

func (p *Connections) setProvider(at at, d *events.ProviderSet) {
	organization := strings.Clone(at.organization)
	p.providers[providerKey(organization, d.Name)] = &Provider{
		Organization: organization, Name: d.Name, ProviderSettings: d.ProviderSettings, Secret: d.Secret, Revision: at.revision(),
	}
}

func (p *Connections) removeProvider(at at, d *events.ProviderRemoved) {
	key := providerKey(at.organization, d.Name)
	if old, ok := p.providers[key]; ok {
		p.providers[key] = &Provider{Organization: old.Organization, Name: old.Name, Revision: at.revision(), Removed: true}
	}
}

func (p *Connections) add(at at, d *events.AuthenticationAdded) {
	if _, taken := p.byID[d.ID]; taken {
		return
	}
	a := &Authentication{
		ID: d.ID, Organization: strings.Clone(at.organization), Provider: d.Provider, Tokens: d.Tokens, ExpiresAt: d.ExpiresAt,
		CreatedAt: at.time, Created: at.position, Ordinal: at.ordinal, Revision: at.revision(),
	}
	p.byID[a.ID] = a
	p.creations.add(a)
}

// edit replaces a value by a changed copy.
func (p *Connections) edit(at at, id string, change func(*Authentication)) {
	old, ok := p.byID[id]
	if !ok || old.Organization != at.organization {
		return
	}
	a := *old
	change(&a)
	a.Revision = at.revision()
	p.byID[id] = &a
	p.creations.replace(&a)
}

func (p *Connections) lease(at at, d *events.AuthenticationLeased) {
	p.edit(at, d.ID, func(a *Authentication) {
		a.LeasedUntil, a.Attempts, a.Key = d.Until, a.Attempts+1, cmp.Or(a.Key, d.Key)
	})
}

func (p *Connections) refresh(at at, d *events.AuthenticationRefreshed) {
	p.edit(at, d.ID, func(a *Authentication) {
		a.Tokens, a.ExpiresAt, a.LeasedUntil, a.Attempts, a.Key, a.Failed = d.Tokens, d.ExpiresAt, 0, 0, "", ""
	})
}

func (p *Connections) fail(at at, d *events.AuthenticationFailed) {
	p.edit(at, d.ID, func(a *Authentication) { a.Failed, a.LeasedUntil = d.Reason, 0 })
}

func (p *Connections) remove(at at, d *events.AuthenticationRemoved) {
	a, ok := p.byID[d.ID]
	if !ok || a.Organization != at.organization {
		return
	}
	delete(p.byID, a.ID)
	p.creations.remove(a)
}

// restoreProvider takes a value out of a snapshot.
func (p *Connections) restoreProvider(v *Provider) bool {
	key := providerKey(v.Organization, v.Name)
	_, taken := p.providers[key]
	p.providers[key] = v
	return !taken
}

// restore takes a value out of a snapshot.
func (p *Connections) restore(a *Authentication) bool {
	_, taken := p.byID[a.ID]
	p.byID[a.ID] = a
	p.creations.add(a)
	return !taken
}
