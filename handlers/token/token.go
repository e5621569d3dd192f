// Package token owns POST /oauth/token (RFC 6749 section 3.2). The phases are
// the same for every grant: read the form, find the grant, authenticate the
// client, let the grant decide, then issue. A grant cannot forget a phase,
// because it only ever sees an authenticated client. Requests for the token of
// a service go the same way with an error table of their own (service.go).
package token

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/login"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// Granted is what a grant type gives a client.
type Granted struct {
	command.Grant
	RefreshToken string // to be handed out with it; empty: none
}

// Grant decides what a grant type gives an authenticated client.
type Grant func(c echo.Context, now time.Time, client command.Client, p oauth.Params) (Granted, error)

// Signer makes compact JWS tokens; ErrNoKey-like failures mean that the
// algorithm has no key yet.
type Signer interface {
	Sign(alg, typ string, claims []byte) (token, kid string, err error)
	SignWith(alg, typ string, claims func(thumbprint string) ([]byte, error)) (token, kid string, err error)
}

// Config wires an Endpoint. All fields are required.
type Config struct {
	Issuer string
	Authn  *authn.Authenticator
	Emit   *emit.Emitter
	Signer Signer
	Logins *login.Judge
	// Rotator makes the successors of refresh tokens.
	Rotator credential.Rotator
	// EnsureKey waits until an algorithm has a key that signs.
	EnsureKey func(ctx context.Context, alg string) error
	Log       *slog.Logger
}

const clientCredentialsGrant = "client_credentials"

// Endpoint is the token endpoint.
type Endpoint struct {
	Config
	grants map[string]Grant
}

// New returns the endpoint with its grants. Run does what it leaves for later.
func New(c Config) *Endpoint {
	e := &Endpoint{Config: c}
	e.grants = map[string]Grant{
		clientCredentialsGrant: clientCredentials, passwordGrant: e.password, refreshGrant: e.refresh,
	}
	return e
}

// GrantTypes lists what the metadata may advertise.
func (e *Endpoint) GrantTypes() []string { return slices.Sorted(maps.Keys(e.grants)) }

// Mount adds the endpoint to a router.
func (e *Endpoint) Mount(g *echo.Group) { g.POST("/oauth/token", e.token) }

// response is RFC 6749 section 5.1.
type response struct {
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	ExpiresIn    int64   `json:"expires_in"`
	RefreshToken string  `json:"refresh_token,omitempty"`
	Scope        *string `json:"scope,omitempty"` // nil where the grant's answer has none
}

func (e *Endpoint) token(c echo.Context) error {
	p, err := oauth.ParseForm(c.Request())
	if err != nil {
		return err
	}
	grant, err := e.decide(c, p)
	if err != nil {
		return err
	}
	issued, err := e.issue(c, p["grant_type"], grant.Grant)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	consistency.Set(c, issued.position)
	answer := response{
		AccessToken: issued.token, TokenType: "Bearer",
		ExpiresIn:    int64(grant.ExpiresAt.Sub(grant.IssuedAt) / time.Second),
		RefreshToken: grant.RefreshToken,
	}
	if p["grant_type"] != passwordGrant {
		answer.Scope = &grant.Scope
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, encoded) // c.JSON would look for ?pretty first
}

// decide authenticates the client and lets the grant decide.
func (e *Endpoint) decide(c echo.Context, p oauth.Params) (Granted, error) {
	if e.asksForService(c.Request(), p) {
		grant, err := e.serviceGrant(c, p)
		return Granted{Grant: grant}, err
	}
	grantType := p["grant_type"]
	if grantType == "" {
		return Granted{}, command.ErrMissingParameters
	}
	decide, ok := e.grants[grantType]
	if !ok {
		return Granted{}, errOnlyClientCredentials
	}
	if grantType == passwordGrant && p["client_id"] == "" && c.Request().Header.Get("Authorization") == "" {
		return Granted{}, command.ErrMissingParameters // its API has client_id among the required ones
	}
	client, err := e.Authn.Client(c, p)
	if err != nil {
		return Granted{}, err
	}
	return decide(c, e.Authn.Now(), client, p)
}

func clientCredentials(_ echo.Context, now time.Time, client command.Client, p oauth.Params) (Granted, error) {
	grant, err := command.ClientCredentials(now, client, p["scope"])
	return Granted{Grant: grant}, err
}
