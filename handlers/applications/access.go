package applications

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
)

// reach is what a request is about and whose objects it may touch.
type reach struct {
	caller       authn.Caller
	organization string // or authn.Everywhere
	home         string // the organization of what it creates
	query        url.Values
}

func (e *Endpoint) reachOf(c echo.Context) (reach, error) {
	query, err := page.Query(c.Request())
	if err != nil {
		return reach{}, err
	}
	organization, err := e.Authn.Reach(c)
	return reach{
		caller: authn.From(c), organization: organization, home: authn.Home(c, organization), query: query,
	}, err
}

// find returns an application within reach.
func (r reach) find(s *projections.State, id string) (*projections.Application, error) {
	if r.organization != authn.Everywhere {
		return command.FindApplication(s, r.organization, id)
	}
	if app, ok := s.Applications.Get(id); ok {
		return app, nil
	}
	return nil, command.ErrNotFound
}

// at is find for a moment.
func (r reach) at(m asof.Moment, id string) (app *projections.Application, err error) {
	m.View(func(s *projections.State) { app, err = r.find(s, id) })
	return app, err
}

// target is find for a command.
func (r reach) target(s *projections.State, id string) (command.Target, error) {
	app, err := r.find(s, id)
	if err != nil {
		return command.Target{}, err
	}
	return command.Target{Organization: app.Organization, ID: app.ID, Held: r.caller.Scopes}, nil
}

// shown returns an application as the state has it after a write; one that
// another write ended meanwhile is not found.
func (e *Endpoint) shown(r reach, id string) (app *projections.Application, err error) {
	e.Emit.View(func(s *projections.State) { app, err = r.find(s, id) })
	return app, err
}

// hasSecret reports whether a digest is of a secret that still counts.
func hasSecret(app *projections.Application, digest events.SecretDigest) bool {
	for _, secret := range app.Secrets {
		if secret.Digest == digest {
			return true
		}
	}
	return false
}
