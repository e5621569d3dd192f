// Package revoke owns POST /oauth/revoke (RFC 7009), for access tokens and for
// refresh tokens, with which everything ends that came from the same login. 200
// means: the ending is durable and visible on this replica, or there was
// nothing to end.
package revoke

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Endpoint is the revocation endpoint.
type Endpoint struct {
	Authn *authn.Authenticator
	Emit  *emit.Emitter
}

// Mount adds the endpoint to a router.
func (e *Endpoint) Mount(g *echo.Group) { g.POST("/oauth/revoke", e.revoke) }

func (e *Endpoint) revoke(c echo.Context) error {
	p, err := oauth.ParseForm(c.Request())
	if err != nil {
		return err
	}
	client, err := e.Authn.Client(c, p)
	if err != nil {
		return err
	}
	token := p["token"]
	if token == "" {
		return oauth.Invalid("Missing required parameters")
	}
	if credential.LooksLikeRefreshToken(token) {
		err = e.refreshToken(c, client, token)
	} else {
		err = e.accessToken(c, client, token)
	}
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	return c.NoContent(http.StatusOK)
}

func (e *Endpoint) accessToken(c echo.Context, client command.Client, token string) error {
	checked, err := e.Authn.Token(c.Request().Context(), token)
	if err != nil {
		return err
	}
	t := checked.Token
	switch {
	case t.Application != "" && t.Application != client.ID():
		return command.ErrNotYours
	case checked.Liveness != projections.Live:
		return e.nothingToEnd(c)
	}
	return e.end(c, client, func(*projections.State) (command.Decision, error) {
		return command.RevokeToken(t, command.ReasonClient)
	})
}

// refreshToken ends the whole family of a refresh token, used or not. One that
// is unknown here may have been given out by another replica a moment ago.
func (e *Endpoint) refreshToken(c echo.Context, client command.Client, token string) error {
	family, err := e.family(client, token)
	if err == nil && family == nil {
		if err = e.Emit.Prove(c.Request().Context()); err == nil {
			family, err = e.family(client, token)
		}
	}
	switch {
	case err != nil:
		return err
	case family == nil:
		return e.nothingToEnd(c)
	}
	return e.end(c, client, func(s *projections.State) (command.Decision, error) {
		return command.RevokeRefresh(s, family, command.ReasonClient)
	})
}

func (e *Endpoint) family(client command.Client, token string) (f *projections.RefreshFamily, err error) {
	e.Emit.View(func(s *projections.State) { f, err = command.FindRefresh(s, client, authn.Digest(token)) })
	return f, err
}

func (e *Endpoint) end(c echo.Context, client command.Client, decide func(*projections.State) (command.Decision, error)) error {
	meta := emit.Meta{Actor: events.Actor{Application: client.ID()}, Correlation: oauth.RequestID(c)}
	position, err := e.Emit.Do(c.Request().Context(), meta, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return decide(s)
	})
	if err != nil {
		return err
	}
	consistency.Set(c, position)
	return nil
}

// nothingToEnd answers for a token that is unknown, expired or ended already.
func (e *Endpoint) nothingToEnd(c echo.Context) error {
	var position events.Position
	e.Emit.View(func(s *projections.State) { position = s.Position })
	consistency.Set(c, position)
	return nil
}
