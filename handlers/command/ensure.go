package command

import (
	"cmp"
	"errors"
	"reflect"
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// ErrUnchanged says that the state is already as asked: nothing to append.
var ErrUnchanged = errors.New("command: nothing to change")

// EnsureOrganization creates an organization or changes what differs from the
// given values. Empty values leave what is there.
func EnsureOrganization(s *projections.State, in NewOrganization) (Decision, error) {
	o, ok := s.Organizations.Get(in.ID)
	if !ok {
		return CreateOrganization(s, in)
	}
	next := NewOrganization{
		ID: in.ID, Name: cmp.Or(in.Name, o.Name), PartnerID: cmp.Or(in.PartnerID, o.PartnerID),
		Limits: cmp.Or(in.Limits, o.Limits), Scopes: in.Scopes,
	}
	if err := checkOrganization(s, next); err != nil {
		return Decision{}, err
	}
	var changes []events.Data
	if next.Name != o.Name || next.PartnerID != o.PartnerID || next.Limits != o.Limits {
		changes = append(changes, &events.OrganizationUpdated{
			ID: o.ID, Name: next.Name, PartnerID: next.PartnerID, Limits: next.Limits,
		})
	}
	if len(next.Scopes) > 0 && !slices.EqualFunc(next.Scopes, o.Scopes, sameScope) {
		changes = append(changes, &events.ScopesSet{ID: o.ID, Scopes: next.Scopes})
	}
	if len(changes) == 0 {
		return Decision{}, ErrUnchanged
	}
	dec, err := edit(o.ID, o.Revision, changes[0])
	dec.Events = changes
	return dec, err
}

func sameScope(a, b events.Scope) bool {
	return a.Name == b.Name && a.Description == b.Description && slices.Equal(a.Routes, b.Routes)
}

// EnsureApplication creates an application or changes the settings that differ
// from the chosen ones. It finds the application by its clientId, else by its
// id. A secret is set at creation only: one that was rotated since must not
// come back with a file that was written before.
func EnsureApplication(s *projections.State, in NewApplication) (Decision, error) {
	app, ok := s.Applications.ByClientID(in.ClientID)
	if !ok {
		app, ok = s.Applications.Get(in.ID)
	}
	if !ok {
		return CreateApplication(s, in)
	}
	if app.Organization != in.Organization {
		return Decision{}, &Error{KindConflict, "That clientId is in use by another organization"}
	}
	if app.Public() && in.Secret != nil {
		return Decision{}, &Error{KindConflict, "A public client cannot be given a secret"}
	}
	target := Target{Organization: app.Organization, ID: app.ID, Held: in.Held}
	dec, err := UpdateApplication(s, target, nil, in.Settings)
	if err != nil {
		return Decision{}, err
	}
	if reflect.DeepEqual(dec.Events[0].(*events.ApplicationUpdated).ApplicationSettings, app.ApplicationSettings) {
		return Decision{}, ErrUnchanged
	}
	return dec, nil
}
