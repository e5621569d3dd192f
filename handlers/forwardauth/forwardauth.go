// Package forwardauth owns /oauth/authorize-request, by which a proxy asks
// whether it may pass a call on: nginx auth_request, Traefik and Caddy
// forward_auth, Envoy ext_authz.
//
// The call is named by X-Forwarded-Method and X-Forwarded-Uri, or X-Original-
// Method and X-Original-URI or -URL, or, as Envoy does, by the method of the
// request and what follows the endpoint in its path. The proxy must set them:
// they say which route is asked about and nothing else. Whatever of them is
// given must agree, so that a caller who adds one of his own is refused.
//
// The answer is 200 with the X-Auth headers, which the proxy puts in place of
// the caller's, or 400, 401, 403, 429 or 503 as the gateway would answer; a
// path that no route has is 403 here, because proxies give 404 no meaning.
// nginx lets 401 and 403 through and makes 500 of everything else.
package forwardauth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// Path is where proxies ask.
const Path = "/oauth/authorize-request"

// Endpoint asks its guard.
type Endpoint struct{ Guard *guard.Guard }

// Mount adds the endpoint to a router.
func (e *Endpoint) Mount(g *echo.Group) {
	g.Any(Path, e.authorize)
	g.Any(Path+"/*", e.authorize)
}

func (e *Endpoint) authorize(c echo.Context) error {
	r := c.Request()
	call, err := callOf(r)
	if err != nil {
		return err
	}
	if call.Token, err = authn.BearerToken(r); err != nil {
		return err
	}
	pass, err := e.Guard.Check(r.Context(), call)
	h := c.Response().Header()
	pass.WriteQuota(h)
	if errors.Is(err, command.ErrNotFound) {
		return command.ErrInsufficientScope
	}
	if err != nil {
		return err
	}
	pass.WriteIdentity(h)
	h.Set("Cache-Control", "no-store")
	return c.NoContent(http.StatusOK)
}

var (
	errNoCall   = oauth.Invalid("The proxy must name the call: X-Forwarded-Method and X-Forwarded-Uri, or X-Original-Method and X-Original-URI")
	errConflict = oauth.Invalid("The headers that name the call are repeated or contradict one another")
)

// callOf reads which call the proxy asks about.
func callOf(r *http.Request) (guard.Call, error) {
	method, err := agreed(r.Header, "X-Forwarded-Method", "X-Original-Method")
	if err != nil {
		return guard.Call{}, err
	}
	path, err := agreed(r.Header, "X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url")
	if err != nil {
		return guard.Call{}, err
	}
	if rest := strings.TrimPrefix(r.URL.EscapedPath(), Path); rest != "" {
		if path != "" && path != rest || method != "" && method != r.Method {
			return guard.Call{}, errConflict
		}
		path, method = rest, r.Method
	}
	if path == "" || method == "" {
		return guard.Call{}, errNoCall
	}
	return guard.Call{Method: method, Path: path}, nil
}

// agreed returns the one value that headers give; empty if none is there.
func agreed(h http.Header, names ...string) (value string, err error) {
	for _, name := range names {
		values := h.Values(name)
		if len(values) == 0 {
			continue
		}
		given := values[0]
		if !strings.HasSuffix(name, "Method") {
			given = pathOf(given)
		}
		if len(values) > 1 || given == "" || value != "" && value != given {
			return "", errConflict
		}
		value = given
	}
	return value, nil
}

// pathOf cuts scheme, host and query off a URI. The guard judges the rest.
func pathOf(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(path, scheme); ok {
			_, path, _ = strings.Cut(rest, "/")
			return "/" + path
		}
	}
	return path
}
