package applications

import (
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/projections"
)

type organization struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	PartnerID string         `json:"partnerId,omitempty"`
	Disabled  bool           `json:"disabled,omitempty"`
	Limits    *events.Limits `json:"limits,omitempty"` // absent: the server's
	Scopes    []events.Scope `json:"scopes"`           // empty: any scope
	CreatedAt time.Time      `json:"createdAt"`
}

type organizationsPage struct {
	Organizations []organization `json:"organizations"`
	NextCursor    string         `json:"nextCursor,omitempty"`
}

func organizationOf(o *projections.Organization) organization {
	answer := organization{
		ID: o.ID, Name: o.Name, PartnerID: o.PartnerID, Disabled: o.Disabled, CreatedAt: o.CreatedAt,
		Scopes: append([]events.Scope{}, o.Scopes...),
	}
	if o.Limits != (events.Limits{}) {
		answer.Limits = &o.Limits
	}
	return answer
}

// listOrganizations answers in order of ids.
func (e *Endpoint) listOrganizations(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	at, err := e.AsOf.Query(c)
	if err != nil {
		return err
	}
	bound := []string{"organizations", at.AsOf}
	request, err := e.Cursors.Parse(r.query, bound...)
	if err != nil {
		return err
	}
	answer := organizationsPage{Organizations: []organization{}}
	at.View(func(s *projections.State) {
		ids := s.Organizations.IDs()
		start, found := slices.BinarySearch(ids, string(request.After))
		if found {
			start++
		}
		ids = ids[start:]
		if len(ids) > request.Limit {
			ids = ids[:request.Limit]
			answer.NextCursor = e.Cursors.Next([]byte(ids[request.Limit-1]), bound...)
		}
		for _, id := range ids {
			o, _ := s.Organizations.Get(id)
			answer.Organizations = append(answer.Organizations, organizationOf(o))
		}
	})
	return manage.JSON(c, http.StatusOK, answer)
}

type newOrganization struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	PartnerID string         `json:"partnerId"`
	Limits    events.Limits  `json:"limits"`
	Scopes    []events.Scope `json:"scopes"`
}

func (e *Endpoint) createOrganization(c echo.Context) error {
	if _, err := e.reachOf(c); err != nil {
		return err
	}
	var in newOrganization
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	made, err := e.Repeats.Begin(c, in)
	if err != nil {
		return err
	}
	defer made.End()
	err = made.Record(c, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.CreateOrganization(s, command.NewOrganization(in))
	})
	if err != nil {
		return err
	}
	o, err := e.madeOrganization(c, made, in.ID)
	if err != nil {
		return err
	}
	return manage.JSON(c, http.StatusCreated, organizationOf(o))
}

// madeOrganization is made, for organizations. They are never deleted.
func (e *Endpoint) madeOrganization(c echo.Context, m *manage.Creation, id string) (o *projections.Organization, err error) {
	find := func(s *projections.State) { o, _ = s.Organizations.Get(id) }
	e.Emit.View(find)
	if m.Repeated && o.Revision > m.At {
		moment, err := e.AsOf.At(c.Request().Context(), m.At)
		if err != nil {
			return nil, err
		}
		moment.View(find)
	}
	return o, nil
}
