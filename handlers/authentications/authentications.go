// Package authentications owns third-party tokens: it logs in at a provider
// with a username and password that are kept nowhere, keeps the tokens it got
// sealed, shows them to the organization's callers alone, refreshes them before
// they expire, by one replica, and erases them.
package authentications

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Scopes that open the endpoints.
const (
	scopeRead  = "authentications:read"
	scopeWrite = "authentications:write"
)

// Config wires an Endpoint. All fields are required.
type Config struct {
	Authn   *authn.Authenticator
	Emit    *emit.Emitter
	Repeats *manage.Repeats
	Store   *erasable.Store
	Sealers Sealers
	Log     *slog.Logger
}

// Endpoint serves authentications and providers, and keeps tokens fresh.
type Endpoint struct {
	Config
	safe   safe
	client *client
	cache  cache
}

// New returns the endpoint. Run keeps the tokens fresh.
func New(c Config) *Endpoint {
	return &Endpoint{Config: c, safe: safe{c.Store, c.Sealers}, client: newClient(c.Authn.Now)}
}

const path = "/api/v1/authentications"

// Mount adds the endpoints to a router.
func (e *Endpoint) Mount(g *echo.Group) {
	read, write := e.require(scopeRead, scopeWrite), e.require(scopeWrite)
	g.GET(path, e.list, read)
	g.POST(path, e.create, write)
	g.GET(path+"/:id", e.get, read)
	g.DELETE(path+"/:id", e.delete, write)
	e.mountProviders(g)
}

// singular is what the API's own sample of DELETE has in place of path.
const singular = "/api/v1/authentication/"

// Singular is a middleware that answers the API's sample of DELETE as it is
// printed. A route would take the path from the gateway for all methods.
func (e *Endpoint) Singular(next echo.HandlerFunc) echo.HandlerFunc {
	remove := e.require(scopeWrite)(e.delete)
	return func(c echo.Context) error {
		r := c.Request()
		if c.Path() != "" || r.Method != http.MethodDelete {
			return next(c)
		}
		id, ok := strings.CutPrefix(r.URL.Path, singular)
		if !ok || id == "" || strings.Contains(id, "/") {
			return next(c)
		}
		c.SetParamNames("id")
		c.SetParamValues(id)
		return remove(c)
	}
}

// require is authn's Require that takes the token from ?access_token= as well
// (RFC 6750 section 2.3): the API of these paths is like that, and no other.
func (e *Endpoint) require(scopes ...string) echo.MiddlewareFunc {
	bearer := e.Authn.Require(scopes...)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		guarded := bearer(next)
		return func(c echo.Context) error {
			values, given := c.QueryParams()["access_token"]
			switch r := c.Request(); {
			case !given:
			case len(values) > 1 || r.Header.Get("Authorization") != "":
				return oauth.Invalid("The access token is given twice")
			default:
				r.Header.Set("Authorization", "Bearer "+values[0])
			}
			return guarded(c)
		}
	}
}

// authentication is the resource, with the members of its API.
type authentication struct {
	ID           string `json:"id"`
	Provider     string `json:"provider"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresAt    int64  `json:"expires_at"` // Unix seconds
	Active       bool   `json:"active"`
}

// show opens an authentication; ok is false for one that was erased meanwhile.
func (e *Endpoint) show(ctx context.Context, a *projections.Authentication) (shown authentication, ok bool, err error) {
	t, err := e.safe.open(ctx, a)
	if erased(err) {
		return shown, false, nil
	}
	return authentication{
		ID: a.ID, Provider: a.Provider, AccessToken: t.Access, RefreshToken: t.Refresh, ExpiresAt: a.ExpiresAt,
		Active: a.Active(),
	}, err == nil, err
}

func (e *Endpoint) list(c echo.Context) error {
	organization, err := e.organization(c)
	if err != nil {
		return err
	}
	var found []*projections.Authentication
	e.Emit.View(func(s *projections.State) { found = append(found, s.Connections.Of(organization)...) })
	answer := []authentication{}
	for _, a := range found {
		shown, ok, err := e.show(c.Request().Context(), a)
		if err != nil {
			return err
		}
		if ok {
			answer = append(answer, shown)
		}
	}
	return manage.JSON(c, http.StatusOK, answer)
}

// organization is whose authentications a request is about. Tokens of third
// parties are never listed across organizations.
func (e *Endpoint) organization(c echo.Context) (string, error) {
	organization, err := e.Authn.Reach(c)
	return authn.Home(c, organization), err
}

func (e *Endpoint) get(c echo.Context) error {
	a, err := e.find(c)
	if err != nil {
		return err
	}
	shown, ok, err := e.show(c.Request().Context(), a)
	if err == nil && !ok {
		err = command.ErrNotFound
	}
	if err != nil {
		return err
	}
	return manage.JSON(c, http.StatusOK, shown)
}

func (e *Endpoint) find(c echo.Context) (a *projections.Authentication, err error) {
	organization, err := e.organization(c)
	if err != nil {
		return nil, err
	}
	e.Emit.View(func(s *projections.State) { a, err = command.FindAuthentication(s, organization, c.Param("id")) })
	return a, err
}

// provider finds a provider and opens its secret.
func (e *Endpoint) provider(organization, name string) (p *projections.Provider, secret string, err error) {
	ok := false
	e.Emit.View(func(s *projections.State) { p, ok = s.Connections.Provider(organization, name) })
	if !ok {
		return nil, "", &oauth.Error{Status: http.StatusUnprocessableEntity, Code: oauth.CodeInvalidRequest, Message: "There is no such provider"}
	}
	secret, err = e.safe.secret(p)
	return p, secret, err
}

// explain answers for a provider; the log has the details, which hold no
// credentials.
func (e *Endpoint) explain(p *projections.Provider, err error) error {
	if errors.Is(err, errRefused) {
		return &oauth.Error{
			Status: http.StatusUnprocessableEntity, Code: oauth.CodeInvalidGrant,
			Message: "The provider refused the username and password",
		}
	}
	e.Log.Warn("a provider of third-party tokens failed", "organization", p.Organization, "provider", p.Name, "error", err)
	return &oauth.Error{Status: http.StatusBadGateway, Code: oauth.CodeServerError, Message: "The provider failed to answer"}
}

// delete revokes at the provider where it can, then erases. The key goes
// before the event, so that nothing readable is left of what the log shows
// removed.
func (e *Endpoint) delete(c echo.Context) error {
	a, err := e.find(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	e.disconnect(ctx, a)
	if err := e.safe.erase(ctx, a.ID); err != nil {
		return err
	}
	if err := manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.RemoveAuthentication(s, a.Organization, a.ID)
	}); err != nil {
		return err
	}
	return c.NoContent(http.StatusOK)
}

// disconnect ends the tokens at the provider, as far as it offers that.
func (e *Endpoint) disconnect(ctx context.Context, a *projections.Authentication) {
	p, secret, err := e.provider(a.Organization, a.Provider)
	if err != nil {
		return // the provider was removed
	}
	t, err := e.safe.open(ctx, a)
	if err == nil {
		err = e.client.revoke(ctx, p, secret, t)
	}
	if err != nil && !erased(err) {
		e.Log.Warn("tokens were not revoked at their provider", "authentication", a.ID, "provider", strings.Clone(p.Name), "error", err)
	}
}
