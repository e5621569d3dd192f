package manage

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/projections"
)

// Pages of any size join up to the whole list, of one organization or of all,
// in the order of organizations and then of creation.
func TestPagesJoinUp(t *testing.T) {
	services := List[*projections.Service]{
		After: func(s *projections.State, organization string, created events.Position, ordinal int) []*projections.Service {
			return s.Services.After(organization, created, ordinal)
		},
	}
	rapid.Check(t, func(t *rapid.T) {
		organizations := []string{"a", "b-1", "c"}
		s := projections.New()
		var all []Place
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
				all = append(all, Place{Organization: organization, Created: position, Ordinal: ordinal})
			}
		}
		slices.SortFunc(all, func(a, b Place) int {
			return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Created, b.Created), cmp.Compare(a.Ordinal, b.Ordinal))
		})
		within := rapid.SampledFrom(append(organizations, authn.Everywhere)).Draw(t, "within")
		want := slices.DeleteFunc(all, func(p Place) bool { return within != authn.Everywhere && p.Organization != within })

		size := rapid.IntRange(1, 7).Draw(t, "size")
		var got []Place
		for from := (Place{}); ; {
			found := services.find(s, within, ParsePlace(from.Bytes()), size)
			for _, one := range found {
				got = append(got, Place{Organization: one.Organization, Created: one.Created, Ordinal: one.Ordinal})
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
	place := func(created events.Position, ordinal int) Place {
		return Place{Created: created, Ordinal: ordinal}
	}
	for _, c := range []struct {
		a, b Place
		want bool
	}{
		{place(0, 0), place(1, 0), true}, {place(1, 0), place(1, 1), true}, {place(1, 5), place(2, 0), true},
		{place(1, 0), place(1, 0), false}, {place(2, 0), place(1, 9), false}, {place(1, 1), place(1, 0), false},
	} {
		if got := c.a.Before(c.b); got != c.want {
			t.Errorf("%v before %v: %t", c.a, c.b, got)
		}
	}
	if got := ParsePlace(nil); got != (Place{}) {
		t.Errorf("the place before all: %v", got)
	}
}
