package transparency

import (
	"context"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/page"
)

// disclosed shows what a proof is of: the record as it is stored, from which its
// entry is made, and where in it an event stands. It is of all organizations
// that have events in the record.
type disclosed struct {
	Event   place  `json:"event"`
	Payload []byte `json:"payload"` // base64
}

// place is an event of a record; the first one has index 0.
type place struct {
	ID    string `json:"id"`
	Index int    `json:"index"`
}

// eventAsked is the event that a request names; empty: none. Only the whole
// record proves what is in it, so that is for administrators.
func eventAsked(c echo.Context, query url.Values) (id string, err error) {
	if !query.Has("event") {
		return "", nil
	}
	if id, err = page.One(query, "event"); err != nil {
		return "", err
	}
	if id == "" {
		return "", errQuestion
	}
	if !authn.From(c).Admin() {
		return "", command.ErrInsufficientScope
	}
	return id, nil
}

// disclose adds what administrators are shown. An archived record is proved, but
// not shown.
func (e *Endpoint) disclose(ctx context.Context, answer *inclusion, event string) error {
	if first := e.First(); answer.Position < first {
		if event != "" {
			return &journal.ArchivedError{First: first}
		}
		return nil
	}
	return e.Read(ctx, journal.Cursor{Position: answer.Position - 1}, answer.Position, func(r *journal.Record) (err error) {
		answer.Entry = string(tree.AppendEntry(nil, r.Subject, r.Payload))
		if event != "" {
			answer.disclosed, err = find(r, event)
		}
		return err
	})
}

func find(r *journal.Record, event string) (*disclosed, error) {
	index := 0
	for e, err := range r.Events() {
		switch {
		case err != nil:
			return nil, err
		case e.ID == event:
			return &disclosed{place{event, index}, r.Payload}, nil
		}
		index++
	}
	return nil, command.ErrNotFound
}
