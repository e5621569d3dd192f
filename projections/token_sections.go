package projections

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/grantlog/grantlog/events"
)

// A section of tokens is the application's id and then, for each token in log
// order, the fields below. Numbers that grow are differences to the token
// before in the section; an origin and a holder are written out at first use and
// afterwards named by their number in the section, from 1.
//
//	jti, digest  16 bytes each
//	position     uvarint, difference
//	ordinal      uvarint
//	issued at    varint, difference
//	lifetime     varint
//	origin       uvarint; 0: organization, secret, scope, grant, key, service follow
//	holder       uvarint; 0: user, family follow
//	ended        one byte
const (
	sectionTarget = 256 << 10 // a section ends with the token that fills it
	maxOrdinal    = 1<<31 - 1
)

// tokens writes the sections of all applications.
func (e *sectionWriter) tokens(t *Tokens) {
	err := t.sections(0, sectionTarget, e.buf, func(body []byte, _, _ uint32) error {
		e.section(sectionTokens, body)
		e.buf = body
		return nil
	})
	e.err = cmp.Or(e.err, err)
}

// sections gives fn the sections of the tokens that were issued after a
// position, in the order of the ids of their applications. first and last are
// the slots of a section's tokens; buf is where it is made.
func (t *Tokens) sections(since events.Position, target int, buf []byte, fn func(body []byte, first, last uint32) error) error {
	var apps []uint32
	for app, l := range t.lists {
		if l.newest != 0 && (since == 0 || t.at(l.newest).position > since) {
			apps = append(apps, uint32(app))
		}
	}
	slices.SortFunc(apps, func(a, b uint32) int {
		return strings.Compare(t.applications.value(a), t.applications.value(b))
	})
	w := tokenWriter{buf: buf, origins: map[uint32]uint64{}, holders: map[uint32]uint64{}}
	for _, app := range apps {
		w.begin(t.applications.value(app))
		first := t.firstAfter(app, since)
		for slot := first; slot != 0; slot = t.at(slot).newer {
			w.token(t, slot)
			next := t.at(slot).newer
			if next != 0 && len(w.buf) < target {
				continue
			}
			if err := fn(w.buf, first, slot); err != nil {
				return err
			}
			w.begin(t.applications.value(app))
			first = next
		}
	}
	return nil
}

// firstAfter is an application's oldest token that was issued after a position;
// there is one.
func (t *Tokens) firstAfter(app uint32, since events.Position) uint32 {
	if since == 0 {
		return t.lists[app].oldest
	}
	slot := t.lists[app].newest
	for older := t.at(slot).older; older != 0 && t.at(older).position > since; older = t.at(slot).older {
		slot = older
	}
	return slot
}

type tokenWriter struct {
	buf      []byte
	position events.Position // of the token before
	issuedAt int64
	origins  map[uint32]uint64 // place in the table → number in the section
	holders  map[uint32]uint64
}

func (w *tokenWriter) begin(application string) {
	w.buf = appendString(w.buf[:0], application)
	w.position, w.issuedAt = 0, 0
	clear(w.origins)
	clear(w.holders)
}

func (w *tokenWriter) token(t *Tokens, slot uint32) {
	e := t.at(slot)
	b := append(append(w.buf, e.id[:]...), e.digest[:]...)
	b = binary.AppendUvarint(b, uint64(e.position-w.position))
	b = binary.AppendUvarint(b, uint64(e.ordinal()))
	b = binary.AppendVarint(b, e.issuedAt-w.issuedAt)
	b = binary.AppendVarint(b, e.expiresAt-e.issuedAt)
	b = binary.AppendUvarint(b, w.origins[e.origin])
	if w.origins[e.origin] == 0 {
		w.origins[e.origin] = uint64(len(w.origins) + 1)
		o := t.origins.value(e.origin)
		b = appendString(b, o.organization)
		b = binary.AppendVarint(b, int64(o.secret))
		b = appendString(b, o.scope)
		b = appendString(b, o.grant)
		b = appendString(b, o.key)
		b = appendString(b, o.service)
	}
	b = binary.AppendUvarint(b, w.holders[e.holder])
	if w.holders[e.holder] == 0 {
		w.holders[e.holder] = uint64(len(w.holders) + 1)
		h := t.holders.value(e.holder)
		b = appendString(b, h.user)
		b = appendString(b, h.family)
	}
	w.buf = append(b, byte(e.place&1))
	w.position, w.issuedAt = e.position, e.issuedAt
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
