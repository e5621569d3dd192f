package command

import (
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// DisableApplication shuts an application out, which ends its tokens, or lets
// it in again; expected is as in UpdateApplication.
func DisableApplication(s *projections.State, target Target, expected []events.Position, disabled bool) (Decision, error) {
	app, err := FindApplication(s, target.Organization, target.ID)
	switch {
	case err != nil:
		return Decision{}, err
	case expected != nil && !slices.Contains(expected, app.Revision):
		return Decision{}, errApplicationChanged
	case app.Disabled == disabled:
		return Decision{}, ErrUnchanged
	case disabled:
		return fact(app.Organization, &events.ApplicationDisabled{ID: app.ID, ClientID: app.ClientID})
	}
	return edit(app.Organization, app.Revision, &events.ApplicationEnabled{ID: app.ID})
}

// DisableOrganization shuts a tenant out, which ends all its tokens, or lets it
// in again; expected is as in UpdateOrganization. caller is the organization of
// who asks, which may not shut out itself.
func DisableOrganization(s *projections.State, organization, caller string, expected []events.Position, disabled bool) (Decision, error) {
	o, err := findOrganization(s, organization, expected)
	switch {
	case err != nil:
		return Decision{}, err
	case o.Disabled == disabled:
		return Decision{}, ErrUnchanged
	case organization == caller:
		return Decision{}, &Error{KindConflict, "An administrator cannot disable its own organization"}
	case disabled:
		return fact(o.ID, &events.OrganizationDisabled{ID: o.ID})
	}
	return edit(o.ID, o.Revision, &events.OrganizationEnabled{ID: o.ID})
}

// shut reports whether an organization is disabled.
func shut(s *projections.State, organization string) bool {
	o, ok := s.Organizations.Get(organization)
	return ok && o.Disabled
}
