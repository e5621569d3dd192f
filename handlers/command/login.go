package command

import (
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// ErrLoginFailed is the answer to every login that does not succeed: it does
// not tell an unknown address from a wrong password or a disabled user.
var ErrLoginFailed = &Error{KindInvalidGrant, "Invalid email or password"}

// RecordLoginFailure is the fact that a login failed; user is whose password
// it was not, if anybody's.
func RecordLoginFailure(organization string, pair events.LoginPair, user string) (Decision, error) {
	return fact(organization, &events.LoginFailed{Pair: pair, User: user})
}

// passwordTokenLifetime is that of a token for a password, unless its
// application has a lifetime of its own.
const passwordTokenLifetime = 12 * time.Hour

// PasswordClient decides whether a client may present passwords of a partner's
// users (RFC 6749 section 4.3), and how much it may ask for: requested may
// narrow the application's scopes. It comes before any password is looked at.
func PasswordClient(s *projections.State, client Client, partner, requested string) (scope string, err error) {
	if client.Application == nil || !client.Application.MayUse("password") {
		return "", &Error{KindUnauthorizedClient, "This client may not use the password grant"}
	}
	o, ok := s.Organizations.Get(client.Organization())
	if !ok || o.PartnerID == "" || o.PartnerID != partner {
		return "", errForeignPartner
	}
	return narrow(client.Application.Scopes, requested)
}

var errForeignPartner = Invalid("The partnerId is not the client's")

// PasswordGrant is what a client gets for the password of a user.
func PasswordGrant(now time.Time, client Client, partner string, user *projections.User, scope string) Grant {
	now = now.Truncate(time.Second)
	life := passwordTokenLifetime
	if client.Application.TokenLifetime != 0 {
		life = client.Application.TokenLife()
	}
	return Grant{Client: client, User: user, Partner: partner, LoggedIn: now, Scope: scope, IssuedAt: now, ExpiresAt: now.Add(life)}
}

// RefusedToken says whose fault it is that a token was dead on arrival.
func RefusedToken(s *projections.State, g Grant) error {
	if g.User == nil {
		return ErrInvalidClient
	}
	if g.Refresh != nil {
		if _, presented := g.Refresh.Fact.(*events.RefreshPresented); presented {
			return ErrRefreshToken
		}
	}
	if u, ok := s.Users.Get(g.User.ID); ok && u.Version == g.User.Version {
		return ErrInvalidClient
	}
	return ErrLoginFailed
}
