package manage_test

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/projections"
)

// Pages of any size join up to the whole list, of one organization or of all,
// in the order of organizations and then of creation.
func TestPagesJoinUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		organizations := []string{"a", "b-1", "c"}
		s := projections.New()
		var all []manage.Place
		position := events.Position(0)
		apply := func(organization string, ordinal int, data events.Data) {
			if err := s.Apply(projections.Record{Position: position}, ordinal, &events.Event{Organization: organization, Data: data}); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range organizations {
			apply(id, 0, &events.OrganizationCreated{ID: id})
		}
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			position++
			organization := rapid.SampledFrom(organizations).Draw(t, "organization")
			for ordinal := range rapid.IntRange(1, 3).Draw(t, "events") {
				apply(organization, ordinal, &events.ServiceCreated{ID: events.NewUUID()})
				all = append(all, manage.Place{Organization: organization, Created: position, Ordinal: ordinal})
			}
		}
		slices.SortFunc(all, func(a, b manage.Place) int {
			return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Created, b.Created), cmp.Compare(a.Ordinal, b.Ordinal))
		})
		within := rapid.SampledFrom(append(organizations, authn.Everywhere)).Draw(t, "within")
		want := slices.DeleteFunc(all, func(p manage.Place) bool { return within != authn.Everywhere && p.Organization != within })

		size := rapid.IntRange(1, 7).Draw(t, "size")
		var got []manage.Place
		for from := (manage.Place{}); ; {
			found := manage.List(s, within, manage.ParsePlace(from.Bytes()), size, s.Services.After)
			for _, one := range found {
				got = append(got, manage.Place{Organization: one.Organization, Created: one.Created, Ordinal: one.Ordinal})
			}
			if len(found) < size {
				break
			}
			from = got[len(got)-1]
		}
		if !slices.Equal(got, want) {
			t.Fatalf("listed %v, want %v", got, want)
		}
	})
}

func TestPlacesInOneOrganization(t *testing.T) {
	place := func(created events.Position, ordinal int) manage.Place {
		return manage.Place{Created: created, Ordinal: ordinal}
	}
	for _, c := range []struct {
		a, b manage.Place
		want bool
	}{
		{place(0, 0), place(1, 0), true}, {place(1, 0), place(1, 1), true}, {place(1, 5), place(2, 0), true},
		{place(1, 0), place(1, 0), false}, {place(2, 0), place(1, 9), false}, {place(1, 1), place(1, 0), false},
	} {
		if got := c.a.Before(c.b); got != c.want {
			t.Errorf("%v before %v: %t", c.a, c.b, got)
		}
	}
	if got := manage.ParsePlace(nil); got != (manage.Place{}) {
		t.Errorf("the place before all: %v", got)
	}
}
