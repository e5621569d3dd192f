package applications

import (
	"encoding/binary"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/projections"
)

// maxScan bounds how many tokens one request looks at: ended ones are listed
// too until they expire, and the state is locked meanwhile. A page that ends
// there may be short, or empty, and has a cursor.
const maxScan = 20_000

type token struct {
	ID        string    `json:"jti"`
	IssuedAt  time.Time `json:"issuedAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	Scope     string    `json:"scope"`
}

type tokensPage struct {
	Tokens     []token `json:"tokens"`
	NextCursor string  `json:"nextCursor,omitempty"`
}

// listTokens answers with an application's live tokens, newest first.
func (e *Endpoint) listTokens(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	at, err := e.AsOf.Whole(c)
	if err != nil {
		return err
	}
	app, err := r.at(at, c.Param("id"))
	if err != nil {
		return err
	}
	bound := []string{"tokens", app.Organization, app.ID, at.AsOf}
	request, err := e.Cursors.Parse(r.query, bound...)
	if err != nil {
		return err
	}
	answer := tokensPage{Tokens: []token{}}
	after := tokenPlaceOf(request.After)
	var last *projections.TokenPlace
	at.View(func(s *projections.State) {
		answer.Tokens, last = liveTokens(s, at.Now, app.ID, after, request.Limit)
	})
	if last != nil {
		answer.NextCursor = e.Cursors.Next(tokenPlace(*last), bound...)
	}
	return manage.JSON(c, http.StatusOK, answer)
}

// liveTokens returns up to limit live tokens, and the place to go on from if
// there may be more.
func liveTokens(s *projections.State, now time.Time, application string, after *projections.TokenPlace, limit int) ([]token, *projections.TokenPlace) {
	found, scanned := []token{}, 0
	var last projections.TokenPlace
	for t := range s.TokensOf(application, after) {
		live := s.Liveness(t, now) == projections.Live
		if scanned == maxScan || live && len(found) == limit {
			return found, &last
		}
		scanned++
		last = t.Place()
		if live {
			found = append(found, token{
				ID: t.ID.String(), Scope: t.Scope,
				IssuedAt: time.Unix(t.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(t.ExpiresAt, 0).UTC(),
			})
		}
	}
	return found, nil
}

// revokeToken ends one token by its id. One that is not live within the
// caller's reach is not found.
func (e *Endpoint) revokeToken(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	id, err := events.ParseTokenID(c.Param("jti"))
	if err != nil {
		return command.ErrNotFound
	}
	err = manage.Record(c, e.Emit, func(s *projections.State, now time.Time) (command.Decision, error) {
		return command.RevokeTokenByID(s, now, r.organization, id, command.ReasonAdministrator)
	})
	if err != nil {
		return err
	}
	return manage.NoContent(c)
}

// tokenPlace is the inside of a cursor, and tokenPlaceOf reads it; see place.
func tokenPlace(p projections.TokenPlace) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.Position))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Ordinal))
	return append(b, p.ID[:]...)
}

func tokenPlaceOf(b []byte) *projections.TokenPlace {
	if len(b) != 8+4+len(events.TokenID{}) {
		return nil
	}
	p := &projections.TokenPlace{
		Position: events.Position(binary.BigEndian.Uint64(b)),
		Ordinal:  int(binary.BigEndian.Uint32(b[8:])),
	}
	copy(p.ID[:], b[12:])
	return p
}
