package applications

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/asof"
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

var everyApplication = manage.List[*projections.Application]{
	Name: "applications",
	Of:   func(s *projections.State) manage.Entries[*projections.Application] { return s.Applications },
}

func (e *Endpoint) list(c echo.Context) error {
	answer := applicationsPage{Applications: []application{}}
	next, err := everyApplication.Page(c, manage.Reading{Authn: e.Authn, AsOf: e.AsOf, Cursors: e.Cursors}, func(_ *projections.State, at asof.Moment, app *projections.Application) {
		answer.Applications = append(answer.Applications, answerOf(app, at.Now))
	})
	if err != nil {
		return err
	}
	answer.NextCursor = next
	return manage.JSON(c, http.StatusOK, answer)
}
