package projections

import (
	"bytes"
	"io"
	"slices"
	"time"

	"github.com/grantlog/grantlog/events"
)

// A state can be kept in two parts: its outline, which is everything but the
// tokens, and layers of tokens. A layer has those that were issued after the
// position of the layer below, or all if there is none below, and the ids of
// the older ones that have ended.

// Schema changes whenever what is kept of a state is not what another version
// would keep, or would read.
const Schema = schema

// layerTarget is about how large the sections of a layer are: what is read to
// find one token.
const layerTarget = 16 << 10

// EncodeOutline writes the state without its tokens, in the form of Encode.
func (f *Frozen) EncodeOutline(w io.Writer) error {
	outline := *f
	outline.tokens = Tokens{}
	return outline.Encode(w)
}

// Layer gives fn the tokens that were issued after a position, in sections for
// Layers.Section and FindToken, each with the ids of its tokens. Both are valid
// until fn returns.
func (f *Frozen) Layer(since events.Position, fn func(section []byte, ids []events.TokenID) error) error {
	var ids []events.TokenID
	return f.tokens.sections(since, layerTarget, nil, func(body []byte, first, last uint32) error {
		ids = ids[:0]
		for slot := first; ; slot = f.tokens.at(slot).newer {
			ids = append(ids, f.tokens.at(slot).id)
			if slot == last {
				return fn(body, ids)
			}
		}
	})
}

// Ended lists the tokens that were issued at or before a position and ended
// before their time, in the order of their ids.
func (f *Frozen) Ended(until events.Position) (ids []events.TokenID) {
	for _, c := range f.tokens.chunks {
		for i := range c {
			if e := &c[i]; e.ended() && e.position <= until {
				ids = append(ids, e.id)
			}
		}
	}
	slices.SortFunc(ids, func(a, b events.TokenID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// Layers puts the tokens of a state together, the lowest layer first.
type Layers struct {
	tokens *Tokens
	reader tokenReader
}

// NewLayers returns a table without tokens.
func NewLayers() *Layers { return &Layers{tokens: newTokens()} }

// Begin starts the layer of a state that stands at a position and a time of the
// log. What had expired by then is forgotten, as in that state.
func (l *Layers) Begin(position events.Position, at time.Time) {
	l.tokens.expire(at)
	below := TokenPlace{Position: l.reader.limit}
	if below.Position > 0 {
		below.Ordinal = maxOrdinal
	}
	l.reader = tokenReader{below: below, limit: position}
}

// Section adds tokens that Frozen.Layer gave.
func (l *Layers) Section(body []byte) error { return l.reader.section(l.tokens, body) }

// End ends a token of a layer below.
func (l *Layers) End(id events.TokenID) error {
	slot := l.tokens.find(id)
	if slot == 0 {
		return malformed("the end of a token that is not there")
	}
	l.tokens.edit(slot).end()
	return nil
}

// Into gives a state the tokens. It is the one that Decode made of the outline
// at the uppermost layer.
func (l *Layers) Into(s *State) error {
	if l.reader.limit != s.Position {
		return malformed("tokens at %d of a state at %d", l.reader.limit, s.Position)
	}
	s.Tokens = l.tokens
	return nil
}

// FindToken looks for a token in a section that Frozen.Layer gave.
func FindToken(section []byte, id events.TokenID) (Token, bool, error) {
	in := fields{rest: section}
	r := tokenReader{application: in.string()}
	var n Token
	for len(in.rest) > 0 {
		before := n
		if n = r.token(&in, &before); !in.bad && n.ID == id {
			return n, true, nil
		}
	}
	if in.bad {
		return Token{}, false, malformed("a section of tokens")
	}
	return Token{}, false, nil
}
