package projections

import (
	"maps"
	"slices"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Organization is a tenant with its scope catalogue. Values are immutable.
type Organization struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	PartnerID string            `json:"partnerId,omitempty"`
	Limits    events.Limits     `json:"limits,omitzero"`
	Scopes    []events.Scope    `json:"scopes,omitempty"` // the catalogue; empty: any scope
	Upstreams []events.Upstream `json:"upstreams,omitempty"`
	CreatedAt time.Time         `json:"createdAt"`
	Revision  events.Position   `json:"revision"` // guard of edits
	// Disabled: nobody of it gets tokens until it is enabled again.
	Disabled bool `json:"disabled,omitempty"`
	// TokensEnded is the record that last disabled it, or ended all of its tokens:
	// those issued at or before it are dead.
	TokensEnded events.Position `json:"tokensEnded,omitempty"`

	routes *routes // of Scopes and Upstreams
}

// Knows reports whether an application of the organization may be given a
// scope: any scope while the catalogue is empty.
func (o *Organization) Knows(scope string) bool {
	return len(o.Scopes) == 0 || slices.ContainsFunc(o.Scopes, func(s events.Scope) bool { return s.Name == scope })
}

// Organizations is what the log says of tenants.
type Organizations struct {
	byID map[string]*Organization
}

// Get finds an organization.
func (p *Organizations) Get(id string) (*Organization, bool) {
	o, ok := p.byID[id]
	return o, ok
}

// IDs lists the organizations in order of their ids.
func (p *Organizations) IDs() []string { return slices.Sorted(maps.Keys(p.byID)) }

func newOrganizations() *Organizations {
	return &Organizations{byID: map[string]*Organization{}}
}

func (p *Organizations) create(at at, d *events.OrganizationCreated) {
	if _, taken := p.byID[d.ID]; taken {
		return
	}
	p.byID[d.ID] = &Organization{
		ID: d.ID, Name: d.Name, PartnerID: d.PartnerID, Limits: d.Limits,
		CreatedAt: at.time, Revision: at.revision(),
	}
}

func (p *Organizations) edit(at at, id string, change func(*Organization)) {
	old, ok := p.byID[id]
	if !ok {
		return
	}
	o := *old
	change(&o)
	o.Revision = at.revision()
	p.byID[id] = &o
}

func (p *Organizations) update(at at, d *events.OrganizationUpdated) {
	p.edit(at, d.ID, func(o *Organization) { o.Name, o.PartnerID, o.Limits = d.Name, d.PartnerID, d.Limits })
}

// backs reports whether a token that was issued in an organization counts.
func (p *Organizations) backs(t *Token) bool {
	o, ok := p.byID[t.Organization]
	return !ok || !o.Disabled && t.Position > o.TokensEnded
}

// disable is a fact on the subject of its revocations, so it guards no edit.
func (p *Organizations) disable(at at, d *events.OrganizationDisabled) {
	old, ok := p.byID[d.ID]
	if !ok || d.ID != at.organization {
		return
	}
	o := *old
	o.Disabled, o.TokensEnded = true, at.position
	p.byID[d.ID] = &o
}

// endTokens is a fact on that subject, too.
func (p *Organizations) endTokens(at at, d *events.OrganizationTokensRevoked) {
	old, ok := p.byID[d.ID]
	if !ok || d.ID != at.organization {
		return
	}
	o := *old
	o.TokensEnded = at.position
	p.byID[d.ID] = &o
}

func (p *Organizations) enable(at at, d *events.OrganizationEnabled) {
	p.edit(at, d.ID, func(o *Organization) { o.Disabled = false })
}

func (p *Organizations) setScopes(at at, d *events.ScopesSet) {
	p.edit(at, d.ID, func(o *Organization) {
		o.Scopes = d.Scopes
		o.routes = o.compile()
	})
}

func (p *Organizations) setUpstreams(at at, d *events.UpstreamsSet) {
	p.edit(at, d.ID, func(o *Organization) {
		o.Upstreams = d.Upstreams
		o.routes = o.compile()
	})
}
