package projections

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// beginFamily starts a family, if what it was decided on still counts: else
// there is none, and what was issued with it is dead.
func (s *State) beginFamily(at at, d *events.RefreshIssued) {
	f := &RefreshFamily{
		ID: d.Family, Organization: strings.Clone(at.organization), Application: d.Application, Secret: d.Secret, User: d.User,
		Scope: d.Scope, IssuedAt: d.IssuedAt, ExpiresAt: d.ExpiresAt, Position: at.position, Ordinal: at.ordinal, Current: d.Digest,
	}
	if _, taken := s.Refreshes.families[f.ID]; taken || f.ID == "" || s.Refreshes.knows(f.Current) {
		return
	}
	if !s.Refreshable(f, at.time) || d.User != "" && !s.Users.decided(d.User, d.UserVersion) {
		return
	}
	s.Refreshes.put(f)
}

// presentRefresh lets the log's order judge a presentation.
func (s *State) presentRefresh(at at, d *events.RefreshPresented) {
	p := s.Refreshes
	switch s.Judge(at.organization, d, at.time) {
	case Rotated:
		f := *p.families[d.Family]
		// Nobody reads behind the end of the former value's list.
		f.Former, f.Current = append(f.Former, d.Digest), d.Successor
		f.Repeatable, f.Secret = d.Repeatable, max(f.Secret, d.Secret)
		p.families[f.ID], p.tokens[d.Successor] = &f, f.ID
	case Reused:
		p.end(p.families[d.Family], ReasonReused, at.time.Unix(), false)
	}
}

// endFamily ends a family or, of one that ended by reuse, notes that listeners
// were told.
func (p *Refreshes) endFamily(at at, d *events.RefreshFamilyEnded) {
	f, ok := p.families[d.Family]
	if !ok || f.Organization != at.organization || f.Application != d.Application {
		return
	}
	if f.Ended == "" {
		p.end(f, cmp.Or(d.Reason, ReasonFamilyRevoked), at.time.Unix(), true)
		return
	}
	told := *f
	told.Told = true
	p.families[f.ID] = &told
	delete(p.untold, f.ID)
}

// end replaces a family by what remains of it.
func (p *Refreshes) end(f *RefreshFamily, reason string, when int64, told bool) {
	p.drop(f)
	ended := *f
	ended.Current, ended.Former, ended.Repeatable = events.TokenDigest{}, nil, false
	ended.Ended, ended.EndedAt, ended.Told = reason, when, told
	p.put(&ended)
}

// put keeps a family that was not there before, or has ended.
func (p *Refreshes) put(f *RefreshFamily) {
	p.families[f.ID] = f
	for _, digest := range f.digests() {
		p.tokens[digest] = f.ID
	}
	if f.Ended != "" && !f.Told {
		p.untold[f.ID] = struct{}{}
	}
	// As with tokens: one that comes too late for its hour has the next.
	at := max(hour(f.forgotten()), p.swept+1)
	p.due[at] = append(p.due[at], f.ID)
}

// hour returns the full hours of Unix time.
func hour(sec int64) int64 {
	h := sec / 3600
	if sec < h*3600 {
		h--
	}
	return h
}

// sweep forgets families that cannot matter any more, once per hour of log
// time. A family that ended stands in two buckets.
func (p *Refreshes) sweep(now time.Time) {
	to := hour(now.Unix())
	if to <= p.swept {
		return
	}
	p.swept = to
	maps.DeleteFunc(p.due, func(at int64, ids []string) bool {
		if at > to {
			return false
		}
		for _, id := range ids {
			if f := p.families[id]; f != nil && hour(f.forgotten()) <= to {
				p.drop(f)
				delete(p.families, id)
				delete(p.untold, id)
			}
		}
		return true
	})
}

// drop forgets a family's tokens.
func (p *Refreshes) drop(f *RefreshFamily) {
	for _, digest := range f.digests() {
		delete(p.tokens, digest)
	}
}

// refreshes writes the sections of families.
func (e *sectionWriter) refreshes(p *Refreshes) {
	for _, id := range slices.Sorted(maps.Keys(p.families)) {
		e.json(sectionRefreshFamily, p.families[id])
	}
}

// restore takes a family out of a snapshot.
func (p *Refreshes) restore(f *RefreshFamily) bool {
	_, taken := p.families[f.ID]
	digests := f.digests()
	for i, digest := range digests {
		taken = taken || p.knows(digest) || slices.Contains(digests[:i], digest)
	}
	if taken || f.ID == "" {
		return false
	}
	p.put(f)
	return true
}
