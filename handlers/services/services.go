// Package services owns the management of services and of their OAuth
// credentials.
//
// Whoever calls sees the services of its own organization; what belongs to
// another is not found. A caller with grantlog:admin sees every organization,
// and one of them with ?organization=. Reads take ?as_of= and then show the
// past. A write is answered once its own event is applied here: the answer
// shows what the log made of it, and carries its Consistency-Token.
package services

import (
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
)

// Endpoint is the management of services. All fields are required.
type Endpoint struct {
	Authn   *authn.Authenticator
	Emit    *emit.Emitter
	AsOf    *asof.Reader
	Cursors *page.Cursors
	Repeats *manage.Repeats
	// Hash is the keyed digest of client secrets.
	Hash func(secret string) events.SecretDigest
}

// Scopes that open the endpoints.
const (
	scopeRead  = "services:read"
	scopeWrite = "services:write"
)

// Mount adds the endpoints to a router that answers from a fresh state only.
func (e *Endpoint) Mount(g *echo.Group) {
	read, write := e.Authn.Require(scopeRead, scopeWrite), e.Authn.Require(scopeWrite)

	g.GET("/oauth/services", e.list, read)
	g.POST("/oauth/services", e.create, write)
	g.GET("/oauth/services/:uuid", e.get, read)
	g.PUT("/oauth/services/:uuid", e.update, write)
	g.DELETE("/oauth/services/:uuid", e.delete, write)

	g.GET("/oauth/services/:uuid/credentials", e.listCredentials, read)
	g.POST("/oauth/services/:uuid/credentials", e.addCredential, write)
	g.DELETE("/oauth/services/:uuid/credentials/:clientId", e.removeCredential, write)
}

// find returns the service that a request names, within an organization or
// authn.Everywhere.
func find(s *projections.State, organization, uuid string) (*projections.Service, error) {
	if organization != authn.Everywhere {
		return command.FindService(s, organization, uuid)
	}
	if service, ok := s.Services.Get(uuid); ok {
		return service, nil
	}
	return nil, command.ErrNotFound
}

// act runs a command on the service that a request names.
func (e *Endpoint) act(c echo.Context, organization string, decide func(*projections.State, command.Target) (command.Decision, error)) error {
	return manage.Record(c, e.Emit, e.decide(c, organization, decide))
}

// decide runs a decision on the service that a request names.
func (e *Endpoint) decide(c echo.Context, organization string, decide func(*projections.State, command.Target) (command.Decision, error)) emit.Decide {
	held := authn.From(c).Scopes
	return func(s *projections.State, _ time.Time) (command.Decision, error) {
		service, err := find(s, organization, c.Param("uuid"))
		if err != nil {
			return command.Decision{}, err
		}
		return decide(s, command.Target{Organization: service.Organization, ID: service.ID, Held: held})
	}
}

// shown returns a service as the state has it; one that another write ended
// meanwhile is not found.
func (e *Endpoint) shown(organization, uuid string) (*projections.Service, error) {
	return view(e.Emit.View, organization, uuid)
}

// view returns a service as a state has it.
func view(of func(func(*projections.State)), organization, uuid string) (service *projections.Service, err error) {
	of(func(s *projections.State) { service, err = find(s, organization, uuid) })
	return service, err
}
