// Package token owns POST /oauth/token (RFC 6749 section 3.2). The phases are
// the same for every grant: read the form, find the grant, authenticate the
// client, let the grant decide, then issue. A grant cannot forget a phase,
// because it only ever sees an authenticated client.
package token

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// Grant decides what a grant type gives an authenticated client.
type Grant func(ctx context.Context, now time.Time, client command.Client, p oauth.Params) (command.Grant, error)

// Signer makes compact JWS tokens; ErrNoKey-like failures mean that the
// algorithm has no key yet.
type Signer interface {
	Sign(alg, typ string, claims []byte) (token, kid string, err error)
}

// Config wires an Endpoint. All fields are required.
type Config struct {
	Issuer string
	Authn  *authn.Authenticator
	Emit   *emit.Emitter
	Signer Signer
	// EnsureKey waits until an algorithm has a key that signs.
	EnsureKey func(ctx context.Context, alg string) error
}

// Endpoint is the token endpoint.
type Endpoint struct {
	Config
	grants map[string]Grant
}

// New returns the endpoint with its grants.
func New(c Config) *Endpoint {
	return &Endpoint{Config: c, grants: map[string]Grant{
		"client_credentials": clientCredentials,
	}}
}

// GrantTypes lists what the metadata may advertise.
func (e *Endpoint) GrantTypes() []string { return []string{"client_credentials"} }

// Mount adds the endpoint to a router.
func (e *Endpoint) Mount(g *echo.Group) { g.POST("/oauth/token", e.token) }

// response is RFC 6749 section 5.1.
type response struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

func (e *Endpoint) token(c echo.Context) error {
	p, err := oauth.ParseForm(c.Request())
	if err != nil {
		return err
	}
	grantType := p["grant_type"]
	if grantType == "" {
		return oauth.Invalid("Missing required parameters")
	}
	decide, ok := e.grants[grantType]
	if !ok {
		return &command.Error{Kind: command.KindUnsupportedGrant, Message: "Only client_credentials grant type is supported"}
	}
	client, err := e.Authn.Client(c, p)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	grant, err := decide(ctx, e.Authn.Now(), client, p)
	if err != nil {
		return err
	}
	issued, err := e.issue(ctx, c, grantType, grant)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	consistency.Set(c, issued.position)
	return c.JSON(http.StatusOK, response{
		AccessToken: issued.token, TokenType: "Bearer", Scope: grant.Scope,
		ExpiresIn: int64(grant.ExpiresAt.Sub(grant.IssuedAt) / time.Second),
	})
}

func clientCredentials(_ context.Context, now time.Time, client command.Client, p oauth.Params) (command.Grant, error) {
	return command.ClientCredentials(now, client, p["scope"])
}

// issued is a token that is durable and visible on this replica.
type issued struct {
	token    string
	position events.Position
}
