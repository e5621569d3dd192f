package authn

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Everywhere is the reach of an administrator who names no organization.
const Everywhere = ""

// Reach says which organization's objects a request may see and touch: the
// caller's own or, for an administrator, the one that ?organization= names, or
// Everywhere. Naming another's is refused, an unknown one is not found. It
// stands behind Require.
func (a *Authenticator) Reach(c echo.Context) (organization string, err error) {
	caller := From(c)
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return "", oauth.Invalid("The query is malformed")
	}
	named, given := query["organization"]
	switch {
	case !given && caller.Admin():
		return Everywhere, nil
	case !given:
		return caller.Organization(), nil
	case len(named) > 1 || named[0] == "":
		return "", oauth.Invalid("The organization parameter is repeated or empty")
	case !caller.Admin() && named[0] != caller.Organization():
		return "", command.ErrInsufficientScope
	}
	known := false
	a.View(func(s *projections.State) { _, known = s.Organizations.Get(named[0]) })
	if !known {
		return "", command.ErrNotFound
	}
	return named[0], nil
}

// Home is where a request within a reach creates things: Everywhere means the
// caller's own organization.
func Home(c echo.Context, organization string) string {
	if organization == Everywhere {
		return From(c).Organization()
	}
	return organization
}
