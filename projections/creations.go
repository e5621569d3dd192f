package projections

import (
	"cmp"
	"maps"
	"slices"

	"github.com/grantlog/grantlog/events"
)

// A Place is where something that an organization made stands in the order of
// creation: at which position, as which of its record's events. No two share
// one.
type Place struct {
	Organization string
	Created      events.Position
	Ordinal      int
}

// Compare orders the places of one organization.
func (p Place) Compare(other Place) int {
	return cmp.Or(cmp.Compare(p.Created, other.Created), cmp.Compare(p.Ordinal, other.Ordinal))
}

// A Placed has a Place that never changes.
type Placed interface{ Place() Place }

// creations lists what organizations made and did not delete, each in order of
// creation. Values are replaced and never changed.
type creations[T Placed] map[string][]T

// After lists what an organization made, in order of creation, from the first
// one created after (position, ordinal). The slice must not be changed and is
// valid as long as the state is not applied to.
func (l creations[T]) After(organization string, created events.Position, ordinal int) []T {
	all := l[organization]
	i, found := l.find(Place{organization, created, ordinal})
	if found {
		i++
	}
	return all[i:]
}

func (l creations[T]) find(p Place) (i int, found bool) {
	return slices.BinarySearchFunc(l[p.Organization], p, func(one T, p Place) int { return one.Place().Compare(p) })
}

// add puts the newest one behind all others.
func (l creations[T]) add(one T) {
	organization := one.Place().Organization
	l[organization] = append(l[organization], one)
}

// replace puts a changed value in the place of the one before.
func (l creations[T]) replace(one T) {
	i, _ := l.find(one.Place())
	l[one.Place().Organization][i] = one
}

func (l creations[T]) remove(one T) {
	organization := one.Place().Organization
	i, _ := l.find(one.Place())
	l[organization] = slices.Delete(l[organization], i, i+1)
}

// order sorts what was added in any order, and reports whether each has a place
// of its own.
func (l creations[T]) order() bool {
	for _, list := range l {
		slices.SortFunc(list, func(a, b T) int { return a.Place().Compare(b.Place()) })
		for i := range len(list) - 1 {
			if list[i].Place() == list[i+1].Place() {
				return false
			}
		}
	}
	return true
}

// frozen returns a copy that later changes do not show in.
func (l creations[T]) frozen() creations[T] {
	f := maps.Clone(l)
	for organization, list := range f {
		f[organization] = slices.Clone(list)
	}
	return f
}
