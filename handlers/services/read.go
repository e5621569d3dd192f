package services

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
)

// service is how clients see one.
type service struct {
	UUID           string    `json:"uuid"`
	Profile        string    `json:"profile"`
	Environment    string    `json:"environment"`
	Name           string    `json:"name"`
	AuthType       string    `json:"authType"`
	Upstream       string    `json:"upstream"`
	Private        bool      `json:"private"`
	OrganizationID string    `json:"organizationId"`
	CreatedAt      time.Time `json:"createdAt"`
	UpdatedAt      time.Time `json:"updatedAt"`
}

type servicesPage struct {
	Services   []service `json:"services"`
	NextCursor string    `json:"nextCursor,omitempty"`
}

func answerOf(s *projections.Service) service {
	return service{
		UUID: s.ID, Profile: s.Profile, Environment: s.Environment, Name: s.Name, AuthType: s.AuthType,
		Upstream: s.Upstream, Private: s.Private, OrganizationID: s.Organization,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	}
}

// show answers with a service as it is now.
func (e *Endpoint) show(c echo.Context, status int, organization, uuid string) error {
	s, err := e.shown(organization, uuid)
	if err != nil {
		return err
	}
	return answer(c, status, s)
}

func answer(c echo.Context, status int, s *projections.Service) error {
	c.Response().Header().Set("ETag", consistency.ETag(c, s.Changed))
	return manage.JSON(c, status, answerOf(s))
}

func (e *Endpoint) get(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	at, err := e.AsOf.Query(c)
	if err != nil {
		return err
	}
	s, err := view(at.View, organization, c.Param("uuid"))
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, s)
}

// list answers in order of creation; an administrator's list of every
// organization goes by organization first.
func (e *Endpoint) list(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	query, err := page.Query(c.Request())
	if err != nil {
		return err
	}
	at, err := e.AsOf.Query(c)
	if err != nil {
		return err
	}
	bound := []string{"services", organization, at.AsOf}
	request, err := e.Cursors.Parse(query, bound...)
	if err != nil {
		return err
	}
	var found []*projections.Service
	at.View(func(s *projections.State) {
		found = manage.List(s, organization, manage.ParsePlace(request.After), request.Limit+1, s.Services.After)
	})
	answer := servicesPage{Services: []service{}}
	found, next := manage.Cut(found, request.Limit, placeOf)
	if next != nil {
		answer.NextCursor = e.Cursors.Next(next, bound...)
	}
	for _, s := range found {
		answer.Services = append(answer.Services, answerOf(s))
	}
	return manage.JSON(c, http.StatusOK, answer)
}

func placeOf(s *projections.Service) manage.Place {
	return manage.Place{Organization: s.Organization, Created: s.Created, Ordinal: s.Ordinal}
}
