package replay

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// idOf returns the id or name of what an event is about.
func idOf(d events.Data) string {
	v := reflect.ValueOf(d).Elem()
	for _, name := range []string{"ID", "Name"} {
		if f := v.FieldByName(name); f.Kind() == reflect.String {
			return f.String()
		}
	}
	return ""
}

// things find the value of a thing of an organization, an immutable pointer, by
// its kind and id; nil if there is none. The kind is the first word of the
// types of its events.
var things = map[string]func(s *projections.State, organization, id string) any{
	"log":            func(s *projections.State, _, id string) any { return known(s.Epochs.Get(id)) },
	"organization":   func(s *projections.State, _, id string) any { return known(s.Organizations.Get(id)) },
	"application":    func(s *projections.State, _, id string) any { return known(s.Applications.Get(id)) },
	"service":        func(s *projections.State, _, id string) any { return known(s.Services.Get(id)) },
	"user":           func(s *projections.State, _, id string) any { return known(s.Users.Get(id)) },
	"authentication": func(s *projections.State, _, id string) any { return known(s.Connections.Get(id)) },
	"webhook":        func(s *projections.State, _, id string) any { return known(s.Webhooks.Get(id)) },
	"key":            func(s *projections.State, _, id string) any { return known(s.Keys.Get(id)) },
	"provider": func(s *projections.State, organization, id string) any {
		return known(s.Connections.Provider(organization, id))
	},
	"sealing": func(s *projections.State, _, id string) any {
		_, ok := s.Keys.Sealing()[id]
		return known(dataKey, ok)
	},
}

// routine are the kinds of events that are counted or left out: tokens, usage
// and what replicas do by themselves.
var routine = []string{"token", "refresh", "usage", "login", "beacon", "request"}

// aboutOf says what kind of thing an event changes, and which; nothing for what
// is routine.
func aboutOf(e *events.Event) (about, id string) {
	about, _, _ = strings.Cut(string(e.Data.EventType()), ".")
	switch e.Data.(type) {
	case *events.AuthenticationLeased, *events.AuthenticationRefreshed,
		*events.WebhookLeased, *events.WebhookAdvanced, *events.WebhookFailed:
		return "", ""
	}
	if slices.Contains(routine, about) {
		return "", ""
	}
	return about, idOf(e.Data)
}

func find(s *projections.State, about string, e *events.Event, id string) any {
	if get := things[about]; get != nil {
		return get(s, e.Organization, id)
	}
	return nil
}

// dataKey stands for every data key: they never change.
var dataKey = &struct{}{}

func known[T any](v *T, ok bool) any {
	if !ok {
		return nil
	}
	return v
}

// nameOf is what people call a thing, if they do.
func nameOf(v any) string {
	if v == nil {
		return ""
	}
	if f := reflect.ValueOf(v).Elem().FieldByName("Name"); f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

// bookkeeping are fields that say where something stands in the log, and what
// has an account of its own.
var bookkeeping = []string{
	"created", "createdAt", "updatedAt", "ordinal", "revision", "changed", "version", "versions", "tokensEnded", "secrets",
	"leasedUntil", "attempts", "key", "lease", "holder", "amid", "acknowledged", "acknowledgedAt", "failingSince", "retryAt", "failedAt",
}

// concealed stands for a value that an account of the past does not show.
const concealed = "(not shown)"

// compare lists the fields that differ between two values of one struct type,
// in their order.
func compare(before, after any) (fields []Field) {
	b, a := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for _, f := range reflect.VisibleFields(b.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || slices.Contains(bookkeeping, name) {
			continue
		}
		from, to := b.FieldByIndex(f.Index).Interface(), a.FieldByIndex(f.Index).Interface()
		if reflect.DeepEqual(from, to) {
			continue
		}
		fields = append(fields, Field{name, shown(from), shown(to)})
	}
	return fields
}

// rotation lists what a new secret means.
func rotation(e *events.Event, before, after any) (fields []Field) {
	b, old := before.(*projections.Application)
	a, _ := after.(*projections.Application)
	d, ok := e.Data.(*events.SecretRotated)
	if !ok || !old {
		return nil
	}
	fields = append(fields, Field{"secretVersion", b.Versions, a.Versions})
	if !d.EndsAt.IsZero() {
		fields = append(fields, Field{"formerSecretsEnd", nil, d.EndsAt})
	}
	return fields
}

// shown conceals what is sealed or a digest.
func shown(v any) any {
	switch v := v.(type) {
	case []byte:
		return concealed
	case []projections.Credential:
		ids := make([]string, len(v))
		for i := range v {
			ids[i] = v[i].ClientID
		}
		return ids
	case time.Time:
		if v.IsZero() {
			return nil
		}
	}
	return v
}
