package authentications

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// login is the body of a creation.
type login struct {
	Provider string `json:"provider"`
	Username string `json:"username"`
	Password string `json:"password"`
}

func (e *Endpoint) create(c echo.Context) error {
	organization, err := e.organization(c)
	if err != nil {
		return err
	}
	var in login
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	if in.Provider == "" || in.Username == "" || in.Password == "" {
		return oauth.Invalid("provider, username and password are required")
	}
	made, err := e.Repeats.Begin(c, in)
	if err != nil {
		return err
	}
	defer made.End()
	if made.Repeated {
		return e.showAgain(c, made, organization)
	}
	return e.connect(c, made, organization, in)
}

// connect logs in at a provider, keeps the tokens and answers with them. A
// login cannot be derived: of two replicas that are asked at once both log in,
// under one key of theirs, and the one whose login the log does not count ends
// its tokens.
func (e *Endpoint) connect(c echo.Context, made *manage.Creation, organization string, in login) error {
	p, secret, err := e.provider(organization, in.Provider)
	if err != nil {
		return err
	}
	ctx, id := c.Request().Context(), made.UUID()
	t, err := e.client.login(ctx, p, secret, in.Username, in.Password, made.Key())
	if err != nil {
		return e.explain(p, err)
	}
	closed, err := e.safe.first(ctx, id, t)
	if err != nil {
		return err
	}
	if err := made.Record(c, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.AddAuthentication(s, organization, id, p.Name, closed, t.expiresAt)
	}); err != nil {
		return err
	}
	if made.Repeated {
		if err := e.client.revoke(ctx, p, secret, t); err != nil {
			e.Log.Warn("tokens of a login that came second were not revoked at their provider", "provider", strings.Clone(p.Name), "error", err)
		}
		if err := e.safe.erase(ctx, id); err != nil {
			return err
		}
		return e.showAgain(c, made, organization)
	}
	return manage.JSON(c, http.StatusCreated, authentication{
		ID: id, Provider: p.Name, AccessToken: t.Access, RefreshToken: t.Refresh, ExpiresAt: t.expiresAt, Active: true,
	})
}

// showAgain answers a repeated creation with the authentication as it is now:
// the first tokens may have been refreshed since, and then they are erased.
func (e *Endpoint) showAgain(c echo.Context, made *manage.Creation, organization string) error {
	if err := made.Settle(c, made.At, nil); err != nil {
		return err
	}
	var a *projections.Authentication
	var err error
	e.Emit.View(func(s *projections.State) { a, err = command.FindAuthentication(s, organization, made.UUID()) })
	if err != nil {
		return made.Gone(c)
	}
	shown, ok, err := e.show(c.Request().Context(), a)
	if err == nil && !ok {
		err = made.Gone(c)
	}
	if err != nil {
		return err
	}
	return manage.JSON(c, http.StatusCreated, shown)
}
