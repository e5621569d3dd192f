// Package manage owns what the endpoints of management have in common: how a
// write of the caller is recorded, how one that makes something is repeated,
// answers that no cache keeps, and lists that go over one organization or all
// of them.
package manage

import (
	"encoding/binary"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
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

// Place is a place in a list that is in order of creation, organization by
// organization.
type Place struct {
	Organization string
	Created      events.Position
	Ordinal      int
}

// Before reports whether a place of the same organization stands behind p.
func (p Place) Before(other Place) bool {
	return p.Created < other.Created || p.Created == other.Created && p.Ordinal < other.Ordinal
}

// Bytes is the inside of a cursor, and ParsePlace reads it. The cursor was
// authenticated: its inside is one that Bytes made.
func (p Place) Bytes() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.Created))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Ordinal))
	return append(b, p.Organization...)
}

// ParsePlace reads what Bytes wrote; nil is the place before all others.
func ParsePlace(b []byte) Place {
	if len(b) < 12 {
		return Place{}
	}
	return Place{
		Organization: string(b[12:]),
		Created:      events.Position(binary.BigEndian.Uint64(b)),
		Ordinal:      int(binary.BigEndian.Uint32(b[8:])),
	}
}

// List returns up to n entries behind a place, of one organization or, within
// authn.Everywhere, of all in the order of their ids. after lists those of one
// organization.
func List[T any](s *projections.State, organization string, from Place, n int, after func(organization string, created events.Position, ordinal int) []T) (found []T) {
	organizations := []string{organization}
	if organization == authn.Everywhere {
		organizations = s.Organizations.IDs()
	}
	for _, id := range organizations {
		var more []T
		switch {
		case id < from.Organization:
			continue
		case id == from.Organization:
			more = after(id, from.Created, from.Ordinal)
		default:
			more = after(id, 0, 0)
		}
		found = append(found, more[:min(len(more), n-len(found))]...)
		if len(found) == n {
			break
		}
	}
	return found
}

// Cut makes a page of what List found when it was asked for one entry more. next
// is the inside of the cursor that goes on behind it; nil: nothing is left.
func Cut[T any](found []T, limit int, place func(T) Place) (page []T, next []byte) {
	if len(found) <= limit {
		return found, nil
	}
	return found[:limit], place(found[limit-1]).Bytes()
}
