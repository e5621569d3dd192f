package replay

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// idOf returns the id of what an event is about: its first field.
func idOf(d events.Data) string {
	if f := reflect.ValueOf(d).Elem().FieldByName("ID"); f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

// find returns the value of a thing, an immutable pointer; nil if there is
// none.
func find(s *projections.State, about, id string) any {
	switch about {
	case "organization":
		return known(s.Organizations.Get(id))
	case "application":
		return known(s.Applications.Get(id))
	case "service":
		return known(s.Services.Get(id))
	case "user":
		return known(s.Users.Get(id))
	case "key":
		return known(s.Keys.Get(id))
	case "sealing":
		_, ok := s.Keys.Sealing()[id]
		return known(dataKey, ok)
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
