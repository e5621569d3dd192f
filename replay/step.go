package replay

import (
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Step is an event as an account of the past names it: where it stands, who
// caused it, and by which request.
type Step struct {
	Position     events.Position `json:"position"`
	Time         time.Time       `json:"time"`
	Type         events.Type     `json:"type"`
	ID           string          `json:"id"`
	Organization string          `json:"organizationId,omitempty"`
	Actor        Actor           `json:"actor,omitzero"`
	Correlation  string          `json:"correlation,omitempty"` // id of the request
	Causation    string          `json:"causation,omitempty"`   // id of the causing event
}

// Actor is who caused an event, and the replica that wrote it.
type Actor struct {
	Application string `json:"application,omitempty"`
	User        string `json:"user,omitempty"`
	Replica     string `json:"replica,omitempty"`
}

// Step is an event of the record, copied.
func (r *Record) Step(i int) Step { return stepOf(r.Position, &r.Events[i]) }

// stepOf copies what an event says of itself; its strings are the decoder's.
func stepOf(position events.Position, e *events.Event) Step {
	return Step{
		Position: position, Time: e.Time, Type: e.Data.EventType(),
		ID: strings.Clone(e.ID), Organization: strings.Clone(e.Organization),
		Actor: Actor{
			Application: strings.Clone(e.Actor.Application), User: strings.Clone(e.Actor.User),
			Replica: strings.Clone(e.Actor.Replica),
		},
		Correlation: strings.Clone(e.Correlation), Causation: strings.Clone(e.Causation),
	}
}
