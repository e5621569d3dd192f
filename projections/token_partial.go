package projections

import (
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// partial is what a table knows of tokens that it has not: those of the state
// that an outline was taken of.
type partial struct {
	swept    int64 // minute of the outline
	ended    map[events.TokenID][]owner
	repeated bool // a jti was issued that the table had already
}

// owner is who an ending of a token says it belongs to.
type owner struct{ organization, application string }

// Outline makes a state that Decode made of an outline fit to be folded on
// without the tokens that are missing. It counts for everything but these: its
// own table has the tokens that are issued from there on, and Recall tells what
// became of an older one. What asks it for all tokens, or for its hash, panics.
func (s *State) Outline() {
	s.Tokens.partial = &partial{swept: s.Tokens.expiry.swept, ended: map[events.TokenID][]owner{}}
}

// IsOutline reports whether the state is without older tokens.
func (s *State) IsOutline() bool { return s.Tokens.partial != nil }

// whole returns the table of a state that has all tokens.
func (s *State) whole() *Tokens {
	if s.IsOutline() {
		panic("projections: an outline has no tokens")
	}
	return s.Tokens
}

// missed notes that a token was ended which may be an older one.
func (p *partial) missed(at at, d *events.TokenRevoked) {
	p.ended[d.ID] = append(p.ended[d.ID], owner{strings.Clone(at.organization), strings.Clone(d.Application)})
}

// Outlives reports whether a token that stood in the table at a time of the log
// still does at a later one.
func (t *Token) Outlives(former, later time.Time) bool {
	return bucket(t.ExpiresAt, minute(former)) > minute(later)
}

// Recall finds a token that was issued before the outline or after it. old is
// what the state had of it that the outline was taken of; nil: nothing. It is
// sure but where one jti was issued more often than once.
func (s *State) Recall(id events.TokenID, old *Token) (t Token, found, sure bool) {
	p := s.Tokens.partial
	slot := s.Tokens.find(id)
	switch {
	case old == nil && slot == 0:
		return Token{}, false, true
	case old == nil:
		return s.Tokens.view(slot), true, true
	case bucket(old.ExpiresAt, p.swept) <= s.Tokens.expiry.swept:
		// Whatever was issued under its jti meanwhile counts only if that was
		// after it was swept.
		return Token{}, false, slot == 0 && !p.repeated
	}
	t = *old
	for _, o := range p.ended[id] {
		t.Ended = t.Ended || o == owner{t.Organization, t.Application}
	}
	return t, true, true
}
