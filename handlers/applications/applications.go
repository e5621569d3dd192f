// Package applications owns the management of OAuth clients, their secrets and
// live tokens, and of the organizations they belong to.
//
// Whoever calls sees its own organization; what belongs to another is not
// found. A caller with grantlog:admin sees every organization, and one of them
// with ?organization=. Reads take ?as_of= and then show the past. A write is answered once its own event is applied here:
// the answer shows what the log made of it, and carries its Consistency-Token.
package applications

import (
	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/page"
)

// Endpoint is the management of applications and organizations. All fields are
// required.
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
	scopeRead   = "applications:read"
	scopeWrite  = "applications:write"
	scopeRevoke = "tokens:revoke"
)

// Mount adds the endpoints to a router that answers from a fresh state only.
func (e *Endpoint) Mount(g *echo.Group) {
	read, write := e.Authn.Require(scopeRead, scopeWrite), e.Authn.Require(scopeWrite)
	revoke, admin := e.Authn.Require(scopeWrite, scopeRevoke), e.Authn.Require(command.ScopeAdmin)

	g.GET("/oauth/applications", e.list, read)
	g.POST("/oauth/applications", e.create, write)
	g.GET("/oauth/applications/:id", e.get, read)
	g.PUT("/oauth/applications/:id", e.update, write)
	g.DELETE("/oauth/applications/:id", e.delete, write)
	g.POST("/oauth/applications/:id/regenerate-secret", e.regenerateSecret, write)

	g.GET("/oauth/applications/:id/tokens", e.listTokens, read)
	g.POST("/oauth/applications/:id/revoke-tokens", e.revokeTokens, write)
	g.DELETE("/oauth/tokens/:jti", e.revokeToken, revoke)

	g.GET("/oauth/organizations", e.listOrganizations, admin)
	g.POST("/oauth/organizations", e.createOrganization, admin)
}
