package scopes

import (
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/projections"
)

// organization is a tenant as the list of tenants shows it.
type organization struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	PartnerID string         `json:"partnerId,omitempty"`
	Disabled  bool           `json:"disabled,omitempty"`
	Limits    *events.Limits `json:"limits,omitempty"` // absent: the server's
	Scopes    []events.Scope `json:"scopes"`
	CreatedAt time.Time      `json:"createdAt"`
}

// organizationSettings are what an update may change; what is absent stays.
type organizationSettings struct {
	Name      *string        `json:"name"`
	PartnerID *string        `json:"partnerId"`
	Limits    *events.Limits `json:"limits"`
	Disabled  *bool          `json:"disabled"`
}

func (e *Endpoint) getOrganization(c echo.Context) error {
	o, err := e.find(c.Param("id"))
	if err != nil {
		return err
	}
	answer := organization{
		ID: o.ID, Name: o.Name, PartnerID: o.PartnerID, Disabled: o.Disabled, CreatedAt: o.CreatedAt,
		Scopes: append([]events.Scope{}, o.Scopes...),
	}
	if o.Limits != (events.Limits{}) {
		answer.Limits = &o.Limits
	}
	return show(c, o, answer)
}

func (e *Endpoint) putOrganization(c echo.Context) error {
	var in organizationSettings
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	id, expected := c.Param("id"), consistency.IfMatch(c)
	caller := authn.From(c).Organization()
	if in.Disabled != nil { // nothing is written of what is refused in part
		var err error
		e.Emit.View(func(s *projections.State) {
			_, err = command.DisableOrganization(s, id, caller, expected, *in.Disabled)
		})
		if err != nil && !errors.Is(err, command.ErrUnchanged) {
			return err
		}
	}
	if in.Disabled == nil || in != (organizationSettings{Disabled: in.Disabled}) {
		err := manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
			return command.UpdateOrganization(s, id, expected, command.OrganizationSettings{Name: in.Name, PartnerID: in.PartnerID, Limits: in.Limits})
		})
		if err != nil {
			return err
		}
		expected = nil // it was met
	}
	if in.Disabled != nil {
		err := manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
			return command.DisableOrganization(s, id, caller, expected, *in.Disabled)
		})
		if err != nil {
			return err
		}
	}
	return e.getOrganization(c)
}
