package projections

import (
	"maps"
	"slices"

	"github.com/grantlog/grantlog/events"
)

// frozen returns a copy that later changes of the users do not show in: of
// their values, which never change, the lists alone.
func (p *Users) frozen() Users {
	return Users{creations: p.creations.frozen(), revisions: maps.Clone(p.revisions), erasures: maps.Clone(p.erasures)}
}

// users writes the sections of users and of what is beside them.
func (e *sectionWriter) users(p *Users) {
	for _, organization := range slices.Sorted(maps.Keys(p.creations)) {
		for _, u := range p.creations[organization] {
			e.json(sectionUser, u)
		}
	}
	for _, erasure := range p.Erasures() {
		e.json(sectionErasure, erasure)
	}
	if len(p.revisions) > 0 {
		e.json(sectionUserRevisions, p.revisions)
	}
}

func (p *Users) restore(u *User) bool {
	taken := p.byID[u.ID] != nil || p.named(u.Handle)
	p.byID[u.ID], p.byHandle[u.Handle] = u, u
	p.creations.add(u)
	return !taken
}

func (p *Users) restoreErasure(e *Erasure) bool {
	taken := p.named(e.Handle)
	p.erasures[e.Handle] = e
	return !taken
}

func (p *Users) restoreRevisions(r *map[string]events.Position) bool {
	if len(p.revisions) > 0 || len(*r) == 0 {
		return false
	}
	p.revisions = *r
	return true
}
