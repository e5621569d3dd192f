package services

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
)

// client is how callers see a credential of a service.
type client struct {
	UUID         string    `json:"uuid"` // of the service
	ClientID     string    `json:"clientId"`
	ClientSecret string    `json:"clientSecret,omitempty"` // once
	CreatedAt    time.Time `json:"createdAt"`
}

type clientsPage struct {
	Credentials []client `json:"credentials"`
	NextCursor  string   `json:"nextCursor,omitempty"`
}

// listCredentials answers in order of creation.
func (e *Endpoint) listCredentials(c echo.Context) error {
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
	s, err := view(at.View, organization, c.Param("uuid"))
	if err != nil {
		return err
	}
	bound := []string{"credentials", s.Organization, s.ID, at.AsOf}
	request, err := e.Cursors.Parse(query, bound...)
	if err != nil {
		return err
	}
	answer := clientsPage{Credentials: []client{}}
	last := manage.ParsePlace(request.After)
	for _, one := range s.Credentials {
		place := projections.Place{Created: one.Created, Ordinal: one.Ordinal}
		if last.Compare(place) >= 0 {
			continue
		}
		if len(answer.Credentials) == request.Limit {
			answer.NextCursor = e.Cursors.Next(manage.PlaceBytes(last), bound...)
			break
		}
		last = place
		answer.Credentials = append(answer.Credentials, client{UUID: s.ID, ClientID: one.ClientID, CreatedAt: one.CreatedAt})
	}
	return manage.JSON(c, http.StatusOK, answer)
}

// addCredential hands a secret out only if the log shows the credential: the
// service may have been deleted meanwhile.
func (e *Endpoint) addCredential(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	var in struct{}
	if err := body.DecodeOptional(c.Request(), &in); err != nil {
		return err
	}
	made, err := e.Repeats.Begin(c, in)
	if err != nil {
		return err
	}
	defer made.End()
	err = made.Record(c, e.decide(c, organization, func(s *projections.State, target command.Target) (command.Decision, error) {
		return command.AddCredential(s, target, made.ServiceClientID(), e.Hash(made.Secret()))
	}))
	if err != nil {
		return err
	}
	answer := client{UUID: c.Param("uuid"), ClientID: made.ServiceClientID(), ClientSecret: made.Secret()}
	if answer.CreatedAt, err = e.added(organization, answer.UUID, answer.ClientID); err != nil {
		if made.Repeated {
			err = made.Gone(c)
		}
		return err
	}
	return manage.JSON(c, http.StatusCreated, answer)
}

// added is when a service was given a credential, as the log shows it now.
func (e *Endpoint) added(organization, uuid, clientID string) (time.Time, error) {
	s, err := e.shown(organization, uuid)
	if err != nil {
		return time.Time{}, err
	}
	added, ok := s.Credential(clientID)
	if !ok {
		return time.Time{}, emit.ErrContended
	}
	return added.CreatedAt, nil
}

func (e *Endpoint) removeCredential(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	err = e.act(c, organization, func(s *projections.State, target command.Target) (command.Decision, error) {
		return command.RemoveCredential(s, target, c.Param("clientId"))
	})
	if err != nil {
		return err
	}
	return manage.NoContent(c)
}
