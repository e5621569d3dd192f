// Package scopes owns what an organization's guard goes by: the catalogue of
// scopes with the routes they open, and, for administrators, the organization's
// settings with its limits. A change is in force on a replica as soon as that
// shows it; the answer carries the position to wait for (Consistency-Token).
package scopes

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Endpoint serves GET and PUT /oauth/scopes and /oauth/organizations/:id. Both
// fields are required.
type Endpoint struct {
	Authn *authn.Authenticator
	Emit  *emit.Emitter
}

// Mount adds the endpoints to a router that answers from a fresh state only.
func (e *Endpoint) Mount(g *echo.Group) {
	admin := e.Authn.Require(command.ScopeAdmin)
	g.GET("/oauth/scopes", e.get, e.Authn.Require("applications:read", "applications:write"))
	g.PUT("/oauth/scopes", e.put, e.Authn.Require("applications:write"))
	g.GET("/oauth/organizations/:id", e.getOrganization, admin)
	g.PUT("/oauth/organizations/:id", e.putOrganization, admin)
}

type catalogue struct {
	OrganizationID string         `json:"organizationId"`
	Scopes         []events.Scope `json:"scopes"` // empty: applications may be given any scope, and no route is open
}

func (e *Endpoint) get(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	return e.showScopes(c, authn.Home(c, organization))
}

func (e *Endpoint) put(c echo.Context) error {
	reach, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	var in struct {
		Scopes []events.Scope `json:"scopes"`
	}
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	if in.Scopes == nil {
		return oauth.Invalid("scopes is required")
	}
	organization, expected := authn.Home(c, reach), consistency.IfMatch(c)
	err = manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.SetScopes(s, organization, expected, in.Scopes)
	})
	if err != nil {
		return err
	}
	return e.showScopes(c, organization)
}

func (e *Endpoint) showScopes(c echo.Context, id string) error {
	o, err := e.find(id)
	if err != nil {
		return err
	}
	return show(c, o, catalogue{OrganizationID: o.ID, Scopes: append([]events.Scope{}, o.Scopes...)})
}

func (e *Endpoint) find(id string) (o *projections.Organization, err error) {
	ok := false
	e.Emit.View(func(s *projections.State) { o, ok = s.Organizations.Get(id) })
	if !ok {
		return nil, command.ErrNotFound
	}
	return o, nil
}

func show(c echo.Context, o *projections.Organization, answer any) error {
	h := c.Response().Header()
	h.Set("ETag", consistency.ETag(c, o.Revision))
	h.Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, answer)
}
