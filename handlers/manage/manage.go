// Package manage owns what the endpoints of management have in common: how a
// write of the caller is recorded, how one that makes something is repeated,
// answers that no cache keeps, and lists by pages over one organization or all
// of them.
package manage

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Record runs a command for the caller that authn let through, and names the
// record in the answer. With nothing to change it names what the state shows.
func Record(c echo.Context, e *emit.Emitter, decide emit.Decide) error {
	meta := emit.Meta{Actor: authn.From(c).Actor(), Correlation: oauth.RequestID(c)}
	position, err := e.Do(c.Request().Context(), meta, decide)
	if errors.Is(err, command.ErrUnchanged) {
		e.View(func(s *projections.State) { position = s.Position })
		err = nil
	}
	if err != nil {
		return err
	}
	consistency.Set(c, position)
	return nil
}

// JSON answers with what no cache may keep.
func JSON(c echo.Context, status int, answer any) error {
	noStore(c)
	return c.JSON(status, answer)
}

// NoContent answers a deletion.
func NoContent(c echo.Context) error {
	noStore(c)
	return c.NoContent(http.StatusNoContent)
}

func noStore(c echo.Context) { c.Response().Header().Set("Cache-Control", "no-store") }
