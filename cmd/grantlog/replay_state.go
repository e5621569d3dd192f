package main

import (
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// stateView describes a state of the past.
type stateView struct {
	state *projections.State
	at    replay.Bound
}

func (v stateView) application(q question) (answer, error) {
	app, ok := v.state.Applications.Get(q.id)
	if !ok {
		app, ok = v.state.Applications.ByClientID(q.id)
	}
	if !ok {
		return nil, &notFoundError{what: q.what}
	}
	a := applicationAnswer{AsOf: v.at, Application: applicationOf(app, v.at.Time), Tokens: []tokenBody{}}
	for t := range v.state.TokensOf(app.ID, nil) {
		if v.state.Liveness(t, v.at.Time) == projections.Live {
			a.Tokens = append(a.Tokens, tokenBody{
				ID: t.ID.String(), IssuedAt: time.Unix(t.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(t.ExpiresAt, 0).UTC(), Scope: t.Scope,
			})
		}
	}
	return a, nil
}

// applicationOf shows an application as GET /oauth/applications/{id} does.
func applicationOf(app *projections.Application, now time.Time) applicationBody {
	b := applicationBody{
		ID: app.ID, ClientID: app.ClientID, Name: app.Name, Description: app.Description,
		Scopes: full(app.Scopes), OrganizationID: app.Organization, Public: app.Public(), Disabled: app.Disabled,
		CreatedAt: app.CreatedAt, UpdatedAt: app.UpdatedAt, TokenLifetime: int(app.TokenLife().Seconds()),
		SigningAlg: app.Alg(), Audience: app.Audience, GrantTypes: full(app.GrantTypes), RedirectURIs: full(app.RedirectURIs),
	}
	if app.Limits != (events.Limits{}) {
		b.Limits = &app.Limits
	}
	if len(app.GrantTypes) == 0 && app.MayUse("client_credentials") {
		b.GrantTypes = []string{"client_credentials"}
	}
	current, ok := app.Current()
	if !ok {
		return b
	}
	b.SecretCreatedAt = &current.CreatedAt
	for _, former := range app.Secrets[:len(app.Secrets)-1] {
		if former.Live(now) && (b.SecretExpiresAt == nil || former.EndsAt.After(*b.SecretExpiresAt)) {
			b.SecretExpiresAt = &former.EndsAt
		}
	}
	return b
}

// full makes an absent list an empty one.
func full(list []string) []string { return append([]string{}, list...) }

func (v stateView) organization(q question) (answer, error) {
	o, ok := v.state.Organizations.Get(q.id)
	if !ok {
		return nil, &notFoundError{what: q.what}
	}
	a := organizationAnswer{AsOf: v.at, Applications: []clientBody{}, Organization: organizationBody{
		ID: o.ID, Name: o.Name, PartnerID: o.PartnerID, Disabled: o.Disabled, Scopes: append([]events.Scope{}, o.Scopes...), CreatedAt: o.CreatedAt,
	}}
	if o.Limits != (events.Limits{}) {
		a.Organization.Limits = &o.Limits
	}
	for _, app := range v.state.Applications.After(o.ID, 0, 0) {
		a.Applications = append(a.Applications, clientBody{
			ID: app.ID, ClientID: app.ClientID, Name: app.Name, LiveTokens: replay.LiveTokens(v.state, app.ID, v.at.Time),
		})
	}
	return a, nil
}
