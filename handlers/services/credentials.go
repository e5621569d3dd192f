package services

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/credential"
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
		place := manage.Place{Created: one.Created, Ordinal: one.Ordinal}
		if !last.Before(place) {
			continue
		}
		if len(answer.Credentials) == request.Limit {
			answer.NextCursor = e.Cursors.Next(last.Bytes(), bound...)
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
	if err := body.DecodeOptional(c.Request(), new(struct{})); err != nil {
		return err
	}
	clientID, secret := credential.NewServiceClientID(), credential.NewSecret()
	err = e.act(c, organization, func(s *projections.State, target command.Target) (command.Decision, error) {
		return command.AddCredential(s, target, clientID, e.Hash(secret))
	})
	if err != nil {
		return err
	}
	s, err := e.shown(organization, c.Param("uuid"))
	if err != nil {
		return err
	}
	added, ok := s.Credential(clientID)
	if !ok {
		return emit.ErrContended
	}
	return manage.JSON(c, http.StatusCreated, client{UUID: s.ID, ClientID: clientID, ClientSecret: secret, CreatedAt: added.CreatedAt})
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
