// Package userinfo owns GET and POST /oauth/userinfo: what a user's token tells
// of its user (OpenID Connect Core section 5.3). The answer comes from memory;
// a token whose user was disabled or deleted has ended.
package userinfo

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/projections"
)

// Path is where the endpoint is mounted.
const Path = "/oauth/userinfo"

// Endpoint is the userinfo endpoint.
type Endpoint struct {
	Authn *authn.Authenticator
	Emit  *emit.Emitter
}

// Mount adds the endpoint to a router that answers from a fresh state only.
func (e *Endpoint) Mount(g *echo.Group) {
	g.GET(Path, e.show)
	g.POST(Path, e.show)
}

type info struct {
	AgentID string `json:"agentId"`
	SiteID  int64  `json:"siteId"`
	Role    string `json:"role"`
	Subject string `json:"sub,omitempty"` // for tokens with openid
}

// show refuses the token of a client: it has no user to tell of.
func (e *Endpoint) show(c echo.Context) error {
	caller, err := e.Authn.Bearer(c.Request().Context(), c.Request())
	if err != nil {
		return err
	}
	if caller.Token.User == "" {
		return command.ErrInsufficientScope
	}
	var user *projections.User
	e.Emit.View(func(s *projections.State) { user, err = command.FindUser(s, caller.Organization(), caller.Token.User) })
	if err != nil {
		return command.ErrTokenRevoked // between the two looks
	}
	answer := info{AgentID: user.ID, SiteID: user.SiteID, Role: user.Role}
	if caller.Has(command.ScopeOpenID) {
		answer.Subject = user.ID
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	return c.JSON(http.StatusOK, answer)
}
