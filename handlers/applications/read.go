package applications

import (
	"encoding/binary"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
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
	at.View(func(s *projections.State) { found = r.after(s, placeOf(request.After), request.Limit+1) })
	answer := applicationsPage{Applications: []application{}}
	if len(found) > request.Limit {
		found = found[:request.Limit]
		answer.NextCursor = e.Cursors.Next(place(found[request.Limit-1]), bound...)
	}
	for _, app := range found {
		answer.Applications = append(answer.Applications, answerOf(app, at.Now))
	}
	return manage.JSON(c, http.StatusOK, answer)
}

// listPlace is a place in a list of applications.
type listPlace struct {
	organization string
	created      events.Position
	ordinal      int
}

// after returns up to n applications within reach that stand behind a place.
func (r reach) after(s *projections.State, from listPlace, n int) []*projections.Application {
	organizations := []string{r.organization}
	if r.organization == authn.Everywhere {
		organizations = s.Organizations.IDs()
	}
	var found []*projections.Application
	for _, id := range organizations {
		var more []*projections.Application
		switch {
		case id < from.organization:
			continue
		case id == from.organization:
			more = s.Applications.After(id, from.created, from.ordinal)
		default:
			more = s.Applications.After(id, 0, 0)
		}
		found = append(found, more[:min(len(more), n-len(found))]...)
		if len(found) == n {
			break
		}
	}
	return found
}

// place is the inside of a cursor, and placeOf reads it. The cursor was
// authenticated: its inside is one that place made.
func place(app *projections.Application) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(app.Created))
	b = binary.BigEndian.AppendUint32(b, uint32(app.Ordinal))
	return append(b, app.Organization...)
}

func placeOf(b []byte) listPlace {
	if len(b) < 12 {
		return listPlace{}
	}
	return listPlace{
		organization: string(b[12:]),
		created:      events.Position(binary.BigEndian.Uint64(b)),
		ordinal:      int(binary.BigEndian.Uint32(b[8:])),
	}
}
