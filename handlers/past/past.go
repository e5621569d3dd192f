// Package past answers what concerns the whole log: what it held at a moment,
// in numbers, and what happened between two moments. It serves "grantlog replay
// --url", in the form in which that prints its answers, to administrators.
package past

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// Endpoint serves GET /oauth/replay/summary and GET /oauth/replay/diff.
type Endpoint struct {
	Authn *authn.Authenticator
	AsOf  *asof.Reader
}

// Mount adds the endpoints to a router.
func (e *Endpoint) Mount(g *echo.Group) {
	admin := e.Authn.Require(command.ScopeAdmin)
	g.GET("/oauth/replay/summary", e.summary, admin)
	g.GET("/oauth/replay/diff", e.diff, admin)
}

// summary answers for now or for the moment that as_of names.
func (e *Endpoint) summary(c echo.Context) error {
	moment, err := e.AsOf.Still(c)
	if err != nil {
		return err
	}
	var found replay.Summary
	moment.View(func(s *projections.State) {
		found = replay.Summarize(s, replay.Bound{Position: s.Position, Time: moment.Now})
	})
	return answer(c, found)
}

// diff answers for the time between from and to; without to, up to now.
func (e *Endpoint) diff(c echo.Context) error {
	found, err := e.AsOf.Diff(c)
	if err != nil {
		return err
	}
	return answer(c, found)
}

// answer writes JSON without the escapes that HTML would need: what the command
// prints is the same then as from a log itself.
func answer(c echo.Context, v any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, text.Bytes())
}
