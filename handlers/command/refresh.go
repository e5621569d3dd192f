package command

import (
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// ErrRefreshToken is the answer to every refresh token that does not count: it
// does not tell an unknown one from another client's, an expired, an ended or a
// used one.
var ErrRefreshToken = &Error{KindInvalidGrant, "Invalid refresh token"}

// grantRefresh is the grant type that an application must list to be given
// refresh tokens, and to present them.
const grantRefresh = "refresh_token"

// refreshLifetime is that of a family of refresh tokens, from the login on. No
// refresh prolongs it.
const refreshLifetime = 30 * 24 * time.Hour

// Refresh is the refresh token that goes with a grant.
type Refresh struct {
	Family string
	Token  events.TokenDigest // of the one that is handed out
	// Fact is recorded before the access token, in the same record: a
	// RefreshIssued or a RefreshPresented.
	Fact events.Data
}

// FirstRefresh starts a family of refresh tokens for a user's grant; nil if
// the application has none.
func FirstRefresh(g Grant, family string, token events.TokenDigest) *Refresh {
	if g.User == nil || !g.Client.Application.MayUse(grantRefresh) {
		return nil
	}
	return &Refresh{Family: family, Token: token, Fact: &events.RefreshIssued{
		Family: family, Digest: token, Application: g.Client.ID(), Secret: g.Client.Secret,
		User: g.User.ID, UserVersion: g.User.Version, Scope: g.Scope,
		IssuedAt: g.IssuedAt.Unix(), ExpiresAt: g.IssuedAt.Add(refreshLifetime).Unix(),
	}}
}

// PresentedRefresh is what a client presents.
type PresentedRefresh struct {
	Token      events.TokenDigest
	Successor  events.TokenDigest
	Repeatable bool // with an Idempotency-Key
	Partner    string
	Scope      string
}

// PresentRefresh decides a request of RFC 6749 section 6, as far as it can be
// decided before the log judges the presentation. Whose the token is, whether
// it lives, whether its client may refresh and what it asks for are checked
// each on its own, and none of these refusals uses the token up. For a token
// that was used before there is no Scope: what remains is to record it.
func PresentRefresh(s *projections.State, now time.Time, client Client, p PresentedRefresh) (Grant, projections.Presentation, error) {
	if client.Application == nil || !client.Application.MayUse(grantRefresh) {
		return Grant{}, projections.Refused, &Error{KindUnauthorizedClient, "This client may not use the refresh_token grant"}
	}
	o, ok := s.Organizations.Get(client.Organization())
	if ok && p.Partner != "" && p.Partner != o.PartnerID {
		return Grant{}, projections.Refused, errForeignPartner
	}
	f, known := s.Refreshes.ByToken(p.Token)
	if !ok || !known || f.Organization != client.Organization() || f.Application != client.ID() {
		return Grant{}, projections.Refused, ErrRefreshToken
	}
	fact := &events.RefreshPresented{
		Family: f.ID, Digest: p.Token, Successor: p.Successor, Repeatable: p.Repeatable,
		Application: client.ID(), Secret: client.Secret,
	}
	verdict := s.Judge(client.Organization(), fact, now)
	user, found := s.Users.Get(f.User)
	if verdict == projections.Refused || !found {
		return Grant{}, projections.Refused, ErrRefreshToken
	}
	g := PasswordGrant(now, client, o.PartnerID, user, "")
	g.LoggedIn, g.Refresh = time.Unix(f.IssuedAt, 0), &Refresh{Family: f.ID, Token: p.Successor, Fact: fact}
	if verdict == projections.Reused {
		return g, verdict, nil
	}
	var err error
	g.Scope, err = narrow(intersect(f.Scope, client.Application.Scopes), p.Scope)
	return g, verdict, err
}

// intersect returns what of a granted scope the application still has.
func intersect(granted string, has []string) (scopes []string) {
	for _, scope := range strings.Fields(granted) {
		if slices.Contains(has, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// RecordReuse is the fact that a used refresh token was presented.
func RecordReuse(g Grant) (Decision, error) {
	return fact(g.Client.Organization(), g.Refresh.Fact)
}

// TellReuse tells listeners that a family ended because a used token was
// presented; ErrUnchanged: they were told, or it did not.
func TellReuse(s *projections.State, family string) (Decision, error) {
	f, ok := s.Refreshes.Get(family)
	if !ok || f.Ended == "" || f.Told {
		return Decision{}, ErrUnchanged
	}
	return RevokeRefresh(s, f, f.Ended)
}

// FindRefresh returns the family of a client's refresh token, used or not; nil
// if it is unknown or has ended.
func FindRefresh(s *projections.State, client Client, token events.TokenDigest) (*projections.RefreshFamily, error) {
	f, ok := s.Refreshes.ByToken(token)
	switch {
	case !ok:
		return nil, nil
	case f.Organization != client.Organization() || f.Application != client.ID():
		return nil, ErrNotYours
	}
	return f, nil
}

// RevokeRefresh ends a family of refresh tokens and with it every access token
// that came from it (RFC 7009 section 2.1).
func RevokeRefresh(s *projections.State, f *projections.RefreshFamily, reason string) (Decision, error) {
	d := &events.RefreshFamilyEnded{Family: f.ID, Application: f.Application, User: f.User, Reason: reason}
	if a, ok := s.Applications.Get(f.Application); ok {
		d.ClientID = a.ClientID
	}
	return fact(f.Organization, d)
}
