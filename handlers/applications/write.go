package applications

import (
	"net/http"
	"reflect"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
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
	Disabled      *bool          `json:"disabled"` // in updates only
}

// edits reports whether a body changes more than whether the application is
// disabled.
func (s settings) edits() bool {
	only := settings{Disabled: s.Disabled}
	return s.Disabled == nil || !reflect.DeepEqual(s, only)
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
	if in.Disabled != nil {
		return oauth.Invalid("disabled is for applications that are there: it cannot be chosen at creation")
	}
	made, err := e.Repeats.Begin(c, in)
	if err != nil {
		return err
	}
	defer made.End()
	err = made.Record(c, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.CreateApplication(s, e.registration(r, in, made.Root))
	})
	if err != nil {
		return err
	}
	n := e.registration(r, in, made.Root)
	app, now, err := e.made(c, r, made, n.ID, n.Secret)
	if err != nil {
		return err
	}
	secret := ""
	if n.Secret != nil {
		secret = made.Secret()
	}
	c.Response().Header().Set(echo.HeaderLocation, "/oauth/applications/"+app.ID)
	return answer(c, http.StatusCreated, app, secret, now)
}

// registration is what a body asks for, with ids and a secret of a root.
func (e *Endpoint) registration(r reach, in settings, root credential.Root) command.NewApplication {
	n := command.NewApplication{
		Target:   command.Target{Organization: r.home, ID: root.ID("a_"), Held: r.caller.Scopes},
		ClientID: root.ClientID(),
		Settings: in.chosen(),
	}
	if in.Public == nil || !*in.Public {
		digest := e.Hash(root.Secret())
		n.Secret = &digest
	}
	return n
}

// made returns an application as the answer to a creation or a new secret shows
// it, and the time of that: for a repeated request, as the first answer did. Of
// one that came to nothing meanwhile there is no answer.
func (e *Endpoint) made(c echo.Context, r reach, m *manage.Creation, id string, secret *events.SecretDigest) (*projections.Application, time.Time, error) {
	app, err := e.shown(r, id)
	if !m.Repeated {
		return app, e.Emit.Now(), err
	}
	if err != nil || secret != nil && !hasSecret(app, *secret) {
		return nil, m.Time, m.Gone(c)
	}
	current, confidential := app.Current()
	if max(app.Revision, app.TokensEnded) <= m.At && (!confidential || secret != nil && current.Digest == *secret) {
		return app, m.Time, nil
	}
	moment, err := e.AsOf.At(c.Request().Context(), m.At)
	if err != nil {
		return nil, m.Time, err
	}
	app, err = r.at(moment, id)
	return app, m.Time, err
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
	id, expected := c.Param("id"), consistency.IfMatch(c)
	if in.edits() {
		err := e.act(c, r, id, func(s *projections.State, target command.Target, _ time.Time) (command.Decision, error) {
			return command.UpdateApplication(s, target, expected, in.chosen())
		})
		if err != nil || in.Disabled == nil {
			return e.answerTo(c, r, id, err)
		}
		expected = nil // it was met
	}
	return e.change(c, r, id, func(s *projections.State, target command.Target, _ time.Time) (command.Decision, error) {
		return command.DisableApplication(s, target, expected, *in.Disabled)
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
	return e.answerTo(c, r, id, e.act(c, r, id, decide))
}

// answerTo answers a command on an application: with what became of it, unless
// err says why nothing did.
func (e *Endpoint) answerTo(c echo.Context, r reach, id string, err error) error {
	if err != nil {
		return err
	}
	app, err := e.shown(r, id)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, app, "", e.Emit.Now())
}

// act runs a command on an application within reach.
func (e *Endpoint) act(c echo.Context, r reach, id string, decide func(*projections.State, command.Target, time.Time) (command.Decision, error)) error {
	return manage.Record(c, e.Emit, r.decide(id, decide))
}

// decide runs a decision on an application within reach.
func (r reach) decide(id string, decide func(*projections.State, command.Target, time.Time) (command.Decision, error)) emit.Decide {
	return func(s *projections.State, now time.Time) (command.Decision, error) {
		target, err := r.target(s, id)
		if err != nil {
			return command.Decision{}, err
		}
		return decide(s, target, now)
	}
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
