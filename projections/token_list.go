package projections

import (
	"cmp"
	"iter"

	"github.com/grantlog/grantlog/events"
)

// TokenPlace is a place in an application's listing of tokens.
type TokenPlace struct {
	Position events.Position
	Ordinal  int
	ID       events.TokenID // lets the listing resume without searching
}

// TokensOf lists an application's tokens, newest first, ended and expired ones
// included; with after, those that stand behind that place. It is valid as
// long as the state is not applied to.
func (s *State) TokensOf(application string, after *TokenPlace) iter.Seq[Token] {
	return func(yield func(Token) bool) {
		t := s.whole()
		for slot := t.startOf(application, after); slot != 0; slot = t.at(slot).older {
			if !yield(t.view(slot)) {
				return
			}
		}
	}
}

func (t *Tokens) startOf(application string, after *TokenPlace) uint32 {
	app, ok := t.applications.find(application)
	if !ok {
		return 0
	}
	if after == nil {
		return t.lists[app].newest
	}
	if slot := t.find(after.ID); slot != 0 && t.compare(slot, after) == 0 &&
		t.origins.value(t.at(slot).origin).application == app {
		return t.at(slot).older
	}
	// The token was swept meanwhile, and most of what is older with it: what
	// remains behind the place is near the old end.
	var start uint32
	for slot := t.lists[app].oldest; slot != 0 && t.compare(slot, after) < 0; slot = t.at(slot).newer {
		start = slot
	}
	return start
}

func (t *Tokens) compare(slot uint32, p *TokenPlace) int {
	e := t.at(slot)
	return cmp.Or(cmp.Compare(e.position, p.Position), cmp.Compare(e.ordinal(), p.Ordinal))
}

// newest is an application's token that was issued last; a zero one if there is
// none.
func (t *Tokens) newest(app uint32) *entry {
	if int(app) >= len(t.lists) {
		return t.at(0)
	}
	return t.at(t.lists[app].newest)
}

// link puts a token at the new end of its application's list.
func (t *Tokens) link(app, slot uint32, e *entry) {
	for int(app) >= len(t.lists) {
		t.lists = append(t.lists, tokenList{})
	}
	l := &t.lists[app]
	if e.older = l.newest; e.older != 0 {
		t.edit(e.older).newer = slot
	} else {
		l.oldest = slot
	}
	l.newest = slot
}

func (t *Tokens) unlink(app uint32, e *entry) {
	l := &t.lists[app]
	if e.newer != 0 {
		t.edit(e.newer).older = e.older
	} else {
		l.newest = e.older
	}
	if e.older != 0 {
		t.edit(e.older).newer = e.newer
	} else {
		l.oldest = e.newer
	}
}
