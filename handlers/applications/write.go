package applications

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// settings is the body of create and update. In an update, what is absent
// stays as it is; a list or limits object that is given replaces the former
// one whole. Public is chosen at creation, once.
type settings struct {
	Name          *string        `json:"name"`
	Description   *string        `json:"description"`
	Scopes        []string       `json:"scopes"`
	TokenLifetime *int           `json:"tokenLifetime"`
	SigningAlg    *string        `json:"signingAlg"`
	Audience      *string        `json:"audience"`
	Limits        *events.Limits `json:"limits"`
	GrantTypes    []string       `json:"grantTypes"`
	RedirectURIs  []string       `json:"redirectUris"`
	Public        *bool          `json:"public"`
}

func (s settings) chosen() command.Settings {
	return command.Settings{
		Name: s.Name, Description: s.Description, Scopes: s.Scopes,
		TokenLifetime: s.TokenLifetime, SigningAlg: s.SigningAlg, Audience: s.Audience,
		Limits: s.Limits, GrantTypes: s.GrantTypes, RedirectURIs: s.RedirectURIs,
	}
}

func (e *Endpoint) create(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	var in settings
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	registration := command.NewApplication{
		Target:   command.Target{Organization: r.home, ID: events.NewID("a_"), Held: r.caller.Scopes},
		ClientID: credential.NewClientID(),
		Settings: in.chosen(),
	}
	var secret string
	if in.Public == nil || !*in.Public {
		secret = credential.NewSecret()
		digest := e.Hash(secret)
		registration.Secret = &digest
	}
	err = manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.CreateApplication(s, registration)
	})
	if err != nil {
		return err
	}
	app, err := e.shown(r, registration.ID)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/oauth/applications/"+app.ID)
	return e.write(c, http.StatusCreated, app, secret)
}

func (e *Endpoint) update(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	var in settings
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	if in.Public != nil {
		return oauth.Invalid("public is chosen at creation and cannot be changed")
	}
	id, expected := c.Param("id"), consistency.IfMatch(c.Request())
	return e.change(c, r, id, func(s *projections.State, target command.Target, _ time.Time) (command.Decision, error) {
		return command.UpdateApplication(s, target, expected, in.chosen())
	})
}

func (e *Endpoint) revokeTokens(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	if err := body.DecodeOptional(c.Request(), new(struct{})); err != nil {
		return err
	}
	return e.change(c, r, c.Param("id"), func(s *projections.State, target command.Target, _ time.Time) (command.Decision, error) {
		return command.RevokeApplicationTokens(s, target, command.ReasonAdministrator)
	})
}

// change runs a command on an application and answers with what became of it.
func (e *Endpoint) change(c echo.Context, r reach, id string, decide func(*projections.State, command.Target, time.Time) (command.Decision, error)) error {
	if err := e.act(c, r, id, decide); err != nil {
		return err
	}
	app, err := e.shown(r, id)
	if err != nil {
		return err
	}
	return e.write(c, http.StatusOK, app, "")
}

// act runs a command on an application within reach.
func (e *Endpoint) act(c echo.Context, r reach, id string, decide func(*projections.State, command.Target, time.Time) (command.Decision, error)) error {
	return manage.Record(c, e.Emit, func(s *projections.State, now time.Time) (command.Decision, error) {
		target, err := r.target(s, id)
		if err != nil {
			return command.Decision{}, err
		}
		return decide(s, target, now)
	})
}

func (e *Endpoint) delete(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	err = e.act(c, r, c.Param("id"), func(s *projections.State, target command.Target, _ time.Time) (command.Decision, error) {
		return command.DeleteApplication(s, target)
	})
	if err != nil {
		return err
	}
	return manage.NoContent(c)
}
