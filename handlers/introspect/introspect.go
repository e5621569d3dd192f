// Package introspect owns POST /oauth/introspect (RFC 7662). The answer comes
// from memory: the token's own claims, if the log shows it live, or showed it
// live at the moment that as_of names. Refresh tokens are inactive here: they are
// for the token endpoint alone.
package introspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// scopeIntrospect lets a bearer introspect the tokens of its organization.
const scopeIntrospect = "tokens:introspect"

// Endpoint is the introspection endpoint.
type Endpoint struct {
	Authn *authn.Authenticator
	AsOf  *asof.Reader
}

// Mount adds the endpoint to a router.
func (e *Endpoint) Mount(g *echo.Group) { g.POST("/oauth/introspect", e.introspect) }

var (
	inactive = []byte(`{"active":false}`)
	active   = []byte(`{"active":true,"token_type":"Bearer",`)
)

func (e *Endpoint) introspect(c echo.Context) error {
	p, err := oauth.ParseForm(c.Request())
	if err != nil {
		return err
	}
	asker, err := e.asker(c, p)
	if err != nil {
		return err
	}
	token := p["token"]
	if token == "" {
		return oauth.Invalid("Missing required parameters")
	}
	checked, err := e.check(c, p, token)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	if checked.Liveness != projections.Live || !asker.mayAsk(checked.Token) {
		return c.JSONBlob(http.StatusOK, inactive)
	}
	// The exact string was issued here, so its payload is what was signed.
	claims, err := withScopeString(checked)
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, slices.Concat(active, claims[1:]))
}

// check asks the log for a token: as it is or, with as_of, as it was. That the
// signature was good needs no second look then either: the exact string was
// issued.
func (e *Endpoint) check(c echo.Context, p oauth.Params, token string) (authn.Checked, error) {
	at, err := e.AsOf.Form(c, p)
	if err != nil {
		return authn.Checked{}, err
	}
	if at.AsOf == "" {
		return e.Authn.Token(c.Request().Context(), token)
	}
	return authn.TokenAt(at.Lookup(c.Request().Context()), token)
}

// withScopeString returns a token's claims with its scope as one string
// (RFC 7662 section 2.2), whatever the token itself has. What looks like the
// member is it: inside of a string, its quotes would be escaped.
func withScopeString(t authn.Checked) ([]byte, error) {
	const member, list = `"scope":`, `"scope":[`
	at := bytes.Index(t.Claims, []byte(list))
	if at < 0 {
		return t.Claims, nil
	}
	at += len(member)
	var array json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(t.Claims[at:]))
	if err := dec.Decode(&array); err != nil {
		return nil, fmt.Errorf("introspect: claims: %w", err)
	}
	scope, err := json.Marshal(t.Token.Scope)
	if err != nil {
		return nil, fmt.Errorf("introspect: scope: %w", err)
	}
	return slices.Concat(t.Claims[:at], scope, t.Claims[at+int(dec.InputOffset()):]), nil
}

// asker is who introspects: an organization, or an administrator of all.
type asker struct {
	organization string
	admin        bool
}

// mayAsk keeps tenants apart: another organization's token is as unknown.
func (a asker) mayAsk(t projections.Token) bool { return a.admin || a.organization == t.Organization }

// asker authenticates the caller (RFC 7662 section 2.1): a bearer token with
// tokens:introspect, or a client's own credentials.
func (e *Endpoint) asker(c echo.Context, p oauth.Params) (asker, error) {
	if authn.IsBearer(c.Request()) {
		if p["client_secret"] != "" {
			return asker{}, oauth.Invalid("The caller authenticated in two ways at once")
		}
		caller, err := e.Authn.Bearer(c.Request().Context(), c.Request())
		if err != nil {
			return asker{}, err
		}
		if !caller.Has(scopeIntrospect) && !caller.Admin() {
			return asker{}, command.ErrInsufficientScope
		}
		return asker{caller.Organization(), caller.Admin()}, nil
	}
	client, err := e.Authn.Client(c, p)
	if err != nil {
		return asker{}, err
	}
	if client.Public() {
		return asker{}, command.ErrInvalidClient // an id alone proves nothing
	}
	return asker{organization: client.Organization()}, nil
}
