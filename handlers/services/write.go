package services

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// settings is the body of create and update. In an update, what is absent
// stays as it is; uuid, profile and environment are chosen at creation, once.
type settings struct {
	UUID        *string `json:"uuid"` // absent: the server makes one
	Profile     *string `json:"profile"`
	Environment *string `json:"environment"`
	Name        *string `json:"name"`
	AuthType    *string `json:"authType"`
	Upstream    *string `json:"upstream"`
	Private     *bool   `json:"private"`
}

func (s settings) chosen() command.ServiceSettings {
	return command.ServiceSettings{
		Profile: s.Profile, Environment: s.Environment, Name: s.Name,
		AuthType: s.AuthType, Upstream: s.Upstream, Private: s.Private,
	}
}

// create answers with the service, and its first credential, only if the log
// shows them as the caller's: of two organizations that chose one uuid at once,
// one has it.
func (e *Endpoint) create(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	var in settings
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	made, err := e.Repeats.Begin(c, in)
	if err != nil {
		return err
	}
	defer made.End()
	target := func() command.Target {
		t := command.Target{Organization: authn.Home(c, organization), ID: made.UUID(), Held: authn.From(c).Scopes}
		if in.UUID != nil {
			t.ID = *in.UUID
		}
		return t
	}
	err = made.Record(c, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.CreateServiceWithCredential(s, target(), in.chosen(), made.ServiceClientID(), e.Hash(made.Secret()))
	})
	if err != nil {
		return err
	}
	clientID, secret := "", ""
	if in.chosen().TakesTokens() {
		clientID, secret = made.ServiceClientID(), made.Secret()
	}
	service, err := e.made(c, made, target(), clientID)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/oauth/services/"+service.ID)
	c.Response().Header().Set("ETag", consistency.ETag(c, service.Changed))
	return manage.JSON(c, http.StatusCreated, created{answerOf(service), clientID, secret})
}

// made returns a service as the answer to its creation shows it: for a repeated
// request, as the first answer did. The credential that it was made with, if
// any, must be there still.
func (e *Endpoint) made(c echo.Context, m *manage.Creation, t command.Target, clientID string) (*projections.Service, error) {
	s, err := e.shown(t.Organization, t.ID)
	if err == nil && clientID != "" {
		if _, ok := s.Credential(clientID); !ok {
			err = command.ErrNotFound
		}
	}
	switch {
	case err != nil && m.Repeated:
		return nil, m.Gone(c)
	case err != nil:
		return nil, emit.ErrContended
	case !m.Repeated || s.Changed <= m.At:
		return s, nil
	}
	moment, err := e.AsOf.At(c.Request().Context(), m.At)
	if err != nil {
		return nil, err
	}
	return view(moment.View, t.Organization, t.ID)
}

// update changes settings first and turns authentication off last: what is
// refused, or finds another state than If-Match names, ends no token.
func (e *Endpoint) update(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	var in settings
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	if in.UUID != nil && *in.UUID != c.Param("uuid") {
		return oauth.Invalid("uuid is chosen at creation and cannot be changed")
	}
	expected := consistency.IfMatch(c)
	err = e.act(c, organization, func(s *projections.State, target command.Target) (command.Decision, error) {
		return command.UpdateService(s, target, expected, in.chosen())
	})
	if err != nil {
		return err
	}
	if in.AuthType != nil && *in.AuthType == events.AuthNone {
		if err := e.act(c, organization, command.DisableServiceAuth); err != nil {
			return err
		}
	}
	return e.show(c, http.StatusOK, organization, c.Param("uuid"))
}

func (e *Endpoint) delete(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	if err := e.act(c, organization, command.DeleteService); err != nil {
		return err
	}
	return manage.NoContent(c)
}
