package manage

import (
	"encoding/binary"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
)

// A List is one that is read by pages: of an organization or, for an
// administrator who names none, of all of them, organization by organization.
type List[T projections.Placed] struct {
	Name string // in cursors
	Of   func(*projections.State) Entries[T]
}

// Entries lists those of one organization behind a place, in order of creation.
type Entries[T projections.Placed] interface {
	After(organization string, created events.Position, ordinal int) []T
}

// Reading is what lists are read with.
type Reading struct {
	Authn   *authn.Authenticator
	AsOf    *asof.Reader
	Cursors *page.Cursors
}

// Page shows the entries that a request asks for, in order of creation and as
// of the moment that it asks of. next is the cursor that goes on behind them;
// it is empty if nothing is left.
func (l List[T]) Page(c echo.Context, with Reading, show func(s *projections.State, at asof.Moment, entry T)) (next string, err error) {
	organization, err := with.Authn.Reach(c)
	if err != nil {
		return "", err
	}
	query, err := page.Query(c.Request())
	if err != nil {
		return "", err
	}
	at, err := with.AsOf.Query(c)
	if err != nil {
		return "", err
	}
	bound := []string{l.Name, organization, at.AsOf}
	request, err := with.Cursors.Parse(query, bound...)
	if err != nil {
		return "", err
	}
	at.View(func(s *projections.State) {
		found := l.find(s, organization, ParsePlace(request.After), request.Limit+1)
		if len(found) > request.Limit {
			found = found[:request.Limit]
			next = with.Cursors.Next(PlaceBytes(found[request.Limit-1].Place()), bound...)
		}
		for _, entry := range found {
			show(s, at, entry)
		}
	})
	return next, nil
}

// find returns up to n entries behind a place, within an organization or
// authn.Everywhere.
func (l List[T]) find(s *projections.State, organization string, from projections.Place, n int) (found []T) {
	organizations := []string{organization}
	if organization == authn.Everywhere {
		organizations = s.Organizations.IDs()
	}
	entries := l.Of(s)
	for _, id := range organizations {
		var more []T
		switch {
		case id < from.Organization:
			continue
		case id == from.Organization:
			more = entries.After(id, from.Created, from.Ordinal)
		default:
			more = entries.After(id, 0, 0)
		}
		found = append(found, more[:min(len(more), n-len(found))]...)
		if len(found) == n {
			break
		}
	}
	return found
}

// PlaceBytes is the inside of a cursor, and ParsePlace reads it. The cursor was
// authenticated: its inside is one that PlaceBytes made.
func PlaceBytes(p projections.Place) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.Created))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Ordinal))
	return append(b, p.Organization...)
}

// ParsePlace reads what PlaceBytes wrote; nil is the place before all others.
func ParsePlace(b []byte) projections.Place {
	if len(b) < 12 {
		return projections.Place{}
	}
	return projections.Place{
		Organization: string(b[12:]),
		Created:      events.Position(binary.BigEndian.Uint64(b)),
		Ordinal:      int(binary.BigEndian.Uint32(b[8:])),
	}
}
