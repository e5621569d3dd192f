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
		Of: func(s *projections.State) Entries[*projections.Service] { return s.Services },
	}
	rapid.Check(t, func(t *rapid.T) {
		organizations := []string{"a", "b-1", "c"}
		s := projections.New()
		var all []projections.Place
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
				all = append(all, projections.Place{Organization: organization, Created: position, Ordinal: ordinal})
			}
		}
		slices.SortFunc(all, func(a, b projections.Place) int {
			return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Created, b.Created), cmp.Compare(a.Ordinal, b.Ordinal))
		})
		within := rapid.SampledFrom(append(organizations, authn.Everywhere)).Draw(t, "within")
		want := slices.DeleteFunc(all, func(p projections.Place) bool { return within != authn.Everywhere && p.Organization != within })

		size := rapid.IntRange(1, 7).Draw(t, "size")
		var got []projections.Place
		for from := (projections.Place{}); ; {
			found := services.find(s, within, ParsePlace(PlaceBytes(from)), size)
			for _, one := range found {
				got = append(got, one.Place())
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

func TestPlacesInCursors(t *testing.T) {
	for _, p := range []projections.Place{{}, {Created: 1}, {Organization: "acme", Created: 1 << 60, Ordinal: 255}} {
		if got := ParsePlace(PlaceBytes(p)); got != p {
			t.Errorf("%v became %v", p, got)
		}
	}
	if got := ParsePlace(nil); got != (projections.Place{}) {
		t.Errorf("the place before all: %v", got)
	}
}
