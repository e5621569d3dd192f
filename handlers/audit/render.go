package audit

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Entry is an event as auditors see it.
type Entry struct {
	Position     events.Position            `json:"position"`
	Time         time.Time                  `json:"time"`
	Type         events.Type                `json:"type"`
	ID           string                     `json:"id"`
	Version      int                        `json:"version"`
	Organization string                     `json:"organizationId,omitempty"`
	Actor        actor                      `json:"actor"`
	Correlation  string                     `json:"correlation,omitempty"`
	Causation    string                     `json:"causation,omitempty"`
	Data         map[string]json.RawMessage `json:"data"`

	ordinal int
}

type actor struct {
	Application string `json:"application,omitempty"`
	User        string `json:"user,omitempty"`
	Replica     string `json:"replica,omitempty"`
}

// render copies an event, without what is secret in it.
func render(position events.Position, ordinal int, e *events.Event) (Entry, error) {
	encoded, err := json.Marshal(e.Data)
	if err != nil {
		return Entry{}, err
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &data); err != nil {
		return Entry{}, err
	}
	for _, name := range hidden(reflect.TypeOf(e.Data)) {
		delete(data, name)
	}
	return Entry{
		Position: position, Time: e.Time, Type: e.Type, ID: strings.Clone(e.ID), Version: e.Version,
		Organization: strings.Clone(e.Organization),
		Actor:        actor{strings.Clone(e.Actor.Application), strings.Clone(e.Actor.User), strings.Clone(e.Actor.Replica)},
		Correlation:  strings.Clone(e.Correlation), Causation: strings.Clone(e.Causation),
		Data: data, ordinal: ordinal,
	}, nil
}

// secretTypes are the types of everything in an event that an auditor has no
// use for and an attacker might: digests and sealed bytes. Hiding by type
// covers the events that are still to come.
var secretTypes = []reflect.Type{
	reflect.TypeFor[events.SecretDigest](), reflect.TypeFor[*events.SecretDigest](),
	reflect.TypeFor[events.TokenDigest](), reflect.TypeFor[[]byte](),
}

var hiddenNames sync.Map // reflect.Type → []string

// hidden lists the JSON names of a payload's secret fields.
func hidden(t reflect.Type) []string {
	if names, ok := hiddenNames.Load(t); ok {
		return names.([]string)
	}
	var names []string
	for _, f := range reflect.VisibleFields(t.Elem()) {
		if !slices.Contains(secretTypes, f.Type) {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		names = append(names, name)
	}
	hiddenNames.Store(t, names)
	return names
}
