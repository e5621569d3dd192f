package authn

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Caller is the bearer of a live access token.
type Caller struct {
	Token  projections.Token
	Claims []byte // the token's payload
	Scopes []string
}

// Organization is the tenant that the caller belongs to.
func (c Caller) Organization() string { return c.Token.Organization }

// Has reports whether the caller holds a scope.
func (c Caller) Has(scope string) bool { return slices.Contains(c.Scopes, scope) }

// Admin reports whether the caller may act on every organization.
func (c Caller) Admin() bool { return c.Has(command.ScopeAdmin) }

// Actor names the caller in the events it causes.
func (c Caller) Actor() events.Actor {
	return events.Actor{Application: c.Token.Application, User: c.Token.User}
}

// Bearer authenticates the bearer of the request's access token (RFC 6750
// section 2.1: the Authorization header alone).
func (a *Authenticator) Bearer(ctx context.Context, r *http.Request) (Caller, error) {
	token, err := BearerToken(r)
	if err != nil {
		return Caller{}, err
	}
	return a.Caller(ctx, token)
}

// Caller authenticates the bearer of a token, wherever it stood.
func (a *Authenticator) Caller(ctx context.Context, token string) (Caller, error) {
	checked, err := a.Token(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	switch checked.Liveness {
	case projections.Live:
		return Caller{Token: checked.Token, Claims: checked.Claims, Scopes: strings.Fields(checked.Token.Scope)}, nil
	case projections.Expired:
		return Caller{}, command.ErrTokenExpired
	case projections.Revoked:
		return Caller{}, command.ErrTokenRevoked
	}
	return Caller{}, command.ErrTokenInvalid
}

// BearerToken reads the request's one bearer token.
func BearerToken(r *http.Request) (string, error) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return "", oauth.ErrNoToken
	}
	if len(header) > 1 {
		return "", oauth.Invalid("The Authorization header is repeated")
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", oauth.ErrNoToken
	}
	return token, nil
}

// StillLive reports whether the caller's token counts still: for answers that
// outlast the check they began with.
func (a *Authenticator) StillLive(c Caller) (live bool) {
	now := a.Now()
	a.View(func(s *projections.State) {
		_, verdict := s.Lookup(c.Token.ID, c.Token.Digest, now)
		live = verdict == projections.Live
	})
	return live
}

const callerKey = "grantlog.caller"

// Require lets a request through whose caller holds one of the scopes, or
// grantlog:admin. Handlers behind it find the caller with From.
func (a *Authenticator) Require(scopes ...string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			caller, err := a.Bearer(c.Request().Context(), c.Request())
			if err != nil {
				return err
			}
			if !caller.Admin() && !slices.ContainsFunc(scopes, caller.Has) {
				return command.ErrInsufficientScope
			}
			c.Set(callerKey, caller)
			return next(c)
		}
	}
}

// From returns the caller that Require let through.
func From(c echo.Context) Caller {
	caller, _ := c.Get(callerKey).(Caller)
	return caller
}

// IsBearer reports whether the request carries an Authorization header of the
// Bearer scheme.
func IsBearer(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer")
}
