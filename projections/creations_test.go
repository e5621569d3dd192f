package projections_test

import (
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

func TestPlacesInOneOrganization(t *testing.T) {
	place := func(created events.Position, ordinal int) projections.Place {
		return projections.Place{Created: created, Ordinal: ordinal}
	}
	for _, c := range []struct {
		a, b projections.Place
		want int
	}{
		{place(0, 0), place(1, 0), -1}, {place(1, 0), place(1, 1), -1}, {place(1, 5), place(2, 0), -1},
		{place(1, 0), place(1, 0), 0}, {place(2, 0), place(1, 9), 1}, {place(1, 1), place(1, 0), 1},
	} {
		if got := c.a.Compare(c.b); got != c.want {
			t.Errorf("%v to %v: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
