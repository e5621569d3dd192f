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

// create answers with the service only if the log shows it as the caller's: of
// two organizations that chose one uuid at once, one has it.
func (e *Endpoint) create(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	var in settings
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	target := command.Target{Organization: authn.Home(c, organization), ID: events.NewUUID(), Held: authn.From(c).Scopes}
	if in.UUID != nil {
		target.ID = *in.UUID
	}
	err = manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.CreateService(s, target, in.chosen())
	})
	if err != nil {
		return err
	}
	if _, err := e.shown(target.Organization, target.ID); err != nil {
		return emit.ErrContended
	}
	c.Response().Header().Set(echo.HeaderLocation, "/oauth/services/"+target.ID)
	return e.show(c, http.StatusCreated, target.Organization, target.ID)
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
	expected := consistency.IfMatch(c.Request())
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
