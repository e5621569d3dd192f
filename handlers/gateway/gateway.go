// Package gateway owns the guarded routes that grantlog passes on itself: those
// for which the organization of a call's token has an upstream. They are
// whatever no endpoint of the server has, and never below a path of its own.
//
// The path is decoded once, the guard judges what came out, and that is what
// the upstream is sent: there is no second reading by which it could mean
// another route.
package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/proxy"
	"github.com/grantlog/grantlog/projections"
)

// Tokens returns an organization's live access token of a third party that
// ${NAME_access_token} names, empty if there is none.
type Tokens func(ctx context.Context, organization, provider string) (string, error)

// Endpoint passes calls on.
type Endpoint struct {
	Guard  *guard.Guard
	Proxy  *proxy.Proxy
	Tokens Tokens // nil: no organization has any
}

var (
	errPath      = oauth.Invalid("The path is malformed")
	errTwoTokens = oauth.Invalid("The token is given in two places")
)

// Unrouted is a middleware that answers what the router found no route for. A
// route of its own could not do it: the router would take it for every method
// that an endpoint does not have.
func (e *Endpoint) Unrouted(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Path() != "" {
			return next(c)
		}
		return e.call(c)
	}
}

func (e *Endpoint) call(c echo.Context) error {
	r := c.Request()
	path, ok := projections.CleanPath(r.URL.EscapedPath())
	if !ok {
		return errPath
	}
	proxied := false
	e.Guard.Emit.View(func(s *projections.State) { proxied = s.Organizations.Proxied(path) })
	if !proxied {
		return echo.ErrNotFound
	}
	token, err := authn.BearerToken(r)
	if err != nil {
		return err
	}
	if strings.Contains(r.URL.RawQuery, "access_token") && r.URL.Query().Has("access_token") {
		return errTwoTokens // RFC 6750 section 2
	}
	pass, err := e.Guard.Check(r.Context(), guard.Call{Token: token, Method: r.Method, Path: r.URL.EscapedPath(), Proxy: true})
	pass.WriteQuota(c.Response().Header())
	if err != nil {
		return err
	}
	return e.Proxy.Forward(c, pass, func(ctx context.Context) (proxy.Target, error) {
		return e.aim(ctx, pass.Organization.ID, pass.Upstream, path)
	})
}

// aim makes the target of a call out of its upstream.
func (e *Endpoint) aim(ctx context.Context, organization string, u *events.Upstream, path string) (to proxy.Target, err error) {
	fill := &filler{ctx: ctx, tokens: e.Tokens, organization: organization}
	to = proxy.Target{
		Name: u.Name, Body: fill.in(u.Body, plain), PassToken: u.PassToken, Private: u.Private, Upgrade: true,
	}
	for _, h := range u.Headers {
		to.Headers = append(to.Headers, events.UpstreamHeader{Name: h.Name, Value: fill.in(h.Value, plain)})
	}
	base, err := url.Parse(fill.in(u.URL, escape))
	if fill.err != nil {
		return to, fill.err
	}
	if err != nil {
		return to, err // it was checked before it was recorded
	}
	to.URL = *join(base, path)
	return to, nil
}

// join appends a decoded path to that of a URL.
func join(base *url.URL, path string) *url.URL {
	to := *base
	to.Path = strings.TrimSuffix(base.Path, "/") + path
	if base.RawPath != "" {
		to.RawPath = strings.TrimSuffix(base.RawPath, "/") + (&url.URL{Path: path}).EscapedPath()
	}
	return &to
}

// errNoToken is a call that needs a third party's token which is not there.
func errNoToken(provider string) error {
	return &oauth.Error{
		Status: http.StatusFailedDependency, Code: oauth.CodeInvalidRequest,
		Message: "The organization has no live token of the provider " + provider,
	}
}
