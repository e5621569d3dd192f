package services

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/manage"
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

// created is how a service is seen by who made it, with the credential that it
// was made with.
type created struct {
	service
	ClientID     string `json:"clientId,omitempty"`
	ClientSecret string `json:"clientSecret,omitempty"` // once
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

var everyService = manage.List[*projections.Service]{
	Name: "services",
	Of:   func(s *projections.State) manage.Entries[*projections.Service] { return s.Services },
}

func (e *Endpoint) list(c echo.Context) error {
	answer := servicesPage{Services: []service{}}
	next, err := everyService.Page(c, manage.Reading{Authn: e.Authn, AsOf: e.AsOf, Cursors: e.Cursors}, func(_ *projections.State, _ asof.Moment, s *projections.Service) {
		answer.Services = append(answer.Services, answerOf(s))
	})
	if err != nil {
		return err
	}
	answer.NextCursor = next
	return manage.JSON(c, http.StatusOK, answer)
}
