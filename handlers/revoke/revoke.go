// Package revoke owns POST /oauth/revoke (RFC 7009). 200 means: the ending is
// durable and visible on this replica, or there was nothing to end.
package revoke

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
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
	checked, err := e.Authn.Token(c.Request().Context(), token)
	if err != nil {
		return err
	}
	if checked.Liveness == projections.Live {
		err = e.end(c, client, checked.Token)
	} else {
		err = e.nothingToEnd(c, client, checked.Token)
	}
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	return c.NoContent(http.StatusOK)
}

func (e *Endpoint) end(c echo.Context, client command.Client, t projections.Token) error {
	if t.Application != client.ID() {
		return command.ErrNotYours
	}
	meta := emit.Meta{Actor: events.Actor{Application: client.ID()}, Correlation: oauth.RequestID(c)}
	position, err := e.Emit.Do(c.Request().Context(), meta, func(*projections.State, time.Time) (command.Decision, error) {
		return command.RevokeToken(t, command.ReasonClient)
	})
	if err != nil {
		return err
	}
	consistency.Set(c, position)
	return nil
}

// nothingToEnd answers for a token that is unknown, expired or ended already.
func (e *Endpoint) nothingToEnd(c echo.Context, client command.Client, t projections.Token) error {
	if t.Application != "" && t.Application != client.ID() {
		return command.ErrNotYours
	}
	var position events.Position
	e.Emit.View(func(s *projections.State) { position = s.Position })
	consistency.Set(c, position)
	return nil
}
