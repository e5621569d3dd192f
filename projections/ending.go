package projections

import (
	"time"

	"github.com/grantlog/grantlog/events"
)

// Ending is what an event of the revocations family ends, in the form that
// revocation consumers get: one token, or everything of an application, a
// service, a user or, if it names none of these, of the organization that was
// issued at or before Position.
type Ending struct {
	Position     events.Position `json:"position"`
	Ordinal      int             `json:"-"` // place in the record
	Time         time.Time       `json:"time"`
	Type         events.Type     `json:"type"`
	Reason       string          `json:"reason"`
	Organization string          `json:"organizationId"`
	Application  string          `json:"applicationId,omitempty"` // or the client_id of a service's credential
	ClientID     string          `json:"clientId,omitempty"`      // of the application whose tokens all end
	Service      string          `json:"serviceUuid,omitempty"`
	User         string          `json:"userId,omitempty"`
	// Family, of refresh tokens: of the user's tokens only those end that came
	// from it. Tokens do not name their family; introspection tells.
	Family string `json:"familyId,omitempty"`
	// Token is the one token that ends. Without it, all end that Before
	// covers.
	Token *events.TokenID `json:"jti,omitempty"`
	// Before: every token issued at or before this position has ended.
	Before events.Position `json:"before,omitempty"`
	// EffectiveAt is when they end, if that is later than Time: the end of a
	// rotation's overlap.
	EffectiveAt time.Time `json:"effectiveAt,omitzero"`
}

// Everything reports whether it ends all tokens of its organization.
func (n *Ending) Everything() bool {
	return n.Token == nil && n.Application+n.ClientID+n.Service+n.User+n.Family == ""
}

// EndingOf is the function of that name, for an event that is about to be
// applied: it also describes the presentation that ends a family of refresh
// tokens, and leaves out what counts for nothing, which only the state can tell
// from others.
func (s *State) EndingOf(position events.Position, ordinal int, e *events.Event) (Ending, bool) {
	if s.Void(position, ordinal) {
		return Ending{}, false
	}
	d, ok := e.Data.(*events.RefreshPresented)
	if !ok || s.Judge(e.Organization, d, e.Time) != Reused {
		return EndingOf(position, ordinal, e)
	}
	f, _ := s.Refreshes.Get(d.Family)
	return Ending{
		Position: position, Ordinal: ordinal, Time: e.Time, Type: e.Type, Reason: ReasonReused, Organization: e.Organization,
		Application: f.Application, User: f.User, Family: f.ID, Before: position,
	}, true
}

// EndingOf describes an event that ends something; false for all others.
func EndingOf(position events.Position, ordinal int, e *events.Event) (Ending, bool) {
	n := Ending{
		Position: position, Ordinal: ordinal, Time: e.Time, Type: e.Type, Organization: e.Organization,
		Before: position, Reason: string(e.Type),
	}
	switch d := e.Data.(type) {
	case *events.TokenRevoked:
		id := d.ID
		n.Application, n.Token, n.Before, n.Reason = d.Application, &id, 0, d.Reason
	case *events.SecretRotated:
		n.Application, n.ClientID, n.EffectiveAt, n.Reason = d.ID, d.ClientID, d.EndsAt, "secret_rotated"
	case *events.ApplicationTokensRevoked:
		n.Application, n.ClientID, n.Reason = d.ID, d.ClientID, d.Reason
	case *events.ApplicationDisabled:
		n.Application, n.ClientID, n.Reason = d.ID, d.ClientID, "application_disabled"
	case *events.OrganizationDisabled:
		n.Reason = "organization_disabled"
	case *events.OrganizationTokensRevoked:
		n.Reason = d.Reason
	case *events.ApplicationDeleted:
		n.Application, n.ClientID, n.Reason = d.ID, d.ClientID, "application_deleted"
	case *events.ServiceAuthDisabled:
		n.Service, n.Reason = d.ID, "service_auth_disabled"
	case *events.ServiceCredentialRemoved:
		n.Service, n.Application, n.Reason = d.ID, d.ClientID, "service_credential_removed"
	case *events.ServiceDeleted:
		n.Service, n.Reason = d.ID, "service_deleted"
	case *events.UserPasswordChanged:
		n.User, n.Reason = d.ID, "password_changed"
	case *events.UserDisabled:
		n.User, n.Reason = d.ID, "user_disabled"
	case *events.UserDeleted:
		n.User, n.Reason = d.ID, "user_deleted"
	case *events.RefreshFamilyEnded:
		n.Family, n.Application, n.User, n.Reason = d.Family, d.Application, d.User, d.Reason
		if d.User == "" {
			n.ClientID = d.ClientID
		}
	default:
		return Ending{}, false
	}
	return n, true
}
