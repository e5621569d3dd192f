package applications

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/projections"
)

type applicationsPage struct {
	Applications []application `json:"applications"`
	NextCursor   string        `json:"nextCursor,omitempty"`
}

func (e *Endpoint) get(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	at, err := e.AsOf.Query(c)
	if err != nil {
		return err
	}
	app, err := r.at(at, c.Param("id"))
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, app, "", at.Now)
}

// list answers in order of creation; an administrator's list of every
// organization goes by organization first.
func (e *Endpoint) list(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	at, err := e.AsOf.Query(c)
	if err != nil {
		return err
	}
	bound := []string{"applications", r.organization, at.AsOf}
	request, err := e.Cursors.Parse(r.query, bound...)
	if err != nil {
		return err
	}
	var found []*projections.Application
	at.View(func(s *projections.State) {
		found = manage.List(s, r.organization, manage.ParsePlace(request.After), request.Limit+1, s.Applications.After)
	})
	answer := applicationsPage{Applications: []application{}}
	found, next := manage.Cut(found, request.Limit, placeOf)
	if next != nil {
		answer.NextCursor = e.Cursors.Next(next, bound...)
	}
	for _, app := range found {
		answer.Applications = append(answer.Applications, answerOf(app, at.Now))
	}
	return manage.JSON(c, http.StatusOK, answer)
}

func placeOf(app *projections.Application) manage.Place {
	return manage.Place{Organization: app.Organization, Created: app.Created, Ordinal: app.Ordinal}
}
