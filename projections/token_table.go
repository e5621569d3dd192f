package projections

import (
	"strings"

	"github.com/grantlog/grantlog/events"
)

// Tokens is the table of issued tokens that have not been swept, some 100
// bytes each. Tokens stand in slots of pointer-free chunks, so that the
// garbage collector never looks at them; what many have in common is interned.
// An ended token stays until it expires: it answers revoked, not unknown.
//
// Slots are reused and not given back: the table keeps the size of its peak
// until the state is restored from a snapshot.
type Tokens struct {
	chunks []*chunk
	shared []bool // chunk → a Frozen reads it too: copied before it is written
	fresh  uint32 // the lowest slot never used
	free   uint32 // first of the reusable slots, linked by entry.next
	count  int

	byID   [256]index // by the first byte of the jti: one grows at a time
	expiry expiry

	partial *partial // nil: it has all tokens

	applications interned[string]
	latest       uint32      // application of the token that was inserted last
	lists        []tokenList // by the application's place in applications
	origins      interned[origin]
	holders      interned[holder]
}

const chunkLen = 256

type chunk [chunkLen]entry

// entry is a token without pointers. Slot 0 is never used: it means none.
type entry struct {
	id        events.TokenID
	digest    events.TokenDigest
	position  events.Position
	issuedAt  int64
	expiresAt int64
	place     uint32 // ordinal<<1, and 1 if ended
	origin    uint32
	holder    uint32
	next      uint32 // in its expiry bucket or the free list
	newer     uint32 // in its application's list
	older     uint32
}

func (e *entry) end()         { e.place |= 1 }
func (e *entry) ended() bool  { return e.place&1 == 1 }
func (e *entry) ordinal() int { return int(e.place >> 1) }

// origin is what the tokens of one client, secret version and request have in
// common.
type origin struct {
	application              uint32
	secret                   int
	organization, scope, key string
	grant, service           string
}

// holder is what the tokens of one login have in common.
type holder struct{ user, family string }

func (h holder) clone() holder {
	return holder{user: strings.Clone(h.user), family: strings.Clone(h.family)}
}

// tokenList is an application's tokens in log order.
type tokenList struct{ newest, oldest uint32 }

func newTokens() *Tokens {
	return &Tokens{
		fresh:        1,
		expiry:       newExpiry(),
		applications: newInterned[string](),
		lists:        make([]tokenList, 1),
		origins:      newInterned[origin](),
		holders:      newInterned[holder](),
	}
}

// Len counts the tokens of the table, ended ones included.
func (t *Tokens) Len() int { return t.count }

func (t *Tokens) at(slot uint32) *entry { return &t.chunks[slot/chunkLen][slot%chunkLen] }

// edit is at for writing. A chunk that a Frozen reads is copied first.
func (t *Tokens) edit(slot uint32) *entry {
	c := slot / chunkLen
	if t.shared[c] {
		own := *t.chunks[c]
		t.chunks[c], t.shared[c] = &own, false
	}
	return &t.chunks[c][slot%chunkLen]
}

func (t *Tokens) find(id events.TokenID) uint32 {
	x, tag := &t.byID[id[0]], tagOf(id)
	for cell := x.first(tag); ; cell = x.next(cell) {
		slot, match := x.look(cell, tag)
		if slot == 0 || match && t.at(slot).id == id {
			return slot
		}
	}
}

func (t *Tokens) view(slot uint32) Token {
	e := t.at(slot)
	o, h := t.origins.value(e.origin), t.holders.value(e.holder)
	return Token{
		ID: e.id, Digest: e.digest, Position: e.position, Ordinal: e.ordinal(),
		Application: t.applications.value(o.application), Organization: o.organization,
		Secret: o.secret, User: h.user, Service: o.service, Family: h.family, Grant: o.grant, Scope: o.scope, Key: o.key,
		IssuedAt: e.issuedAt, ExpiresAt: e.expiresAt, Ended: e.ended(),
	}
}

// insert adds a token that stands after all others of its application. The
// caller made sure that its id is new. Its strings are copied.
func (t *Tokens) insert(n *Token) {
	slot := t.take()
	app := t.applications.acquire(n.Application, t.latest, strings.Clone)
	t.latest = app
	former := t.newest(app)
	e := t.edit(slot)
	*e = entry{
		id: n.ID, digest: n.Digest, position: n.Position,
		issuedAt: n.IssuedAt, expiresAt: n.ExpiresAt, place: uint32(n.Ordinal) << 1,
		origin: t.origins.acquire(origin{
			application: app, secret: n.Secret,
			organization: n.Organization, scope: n.Scope, key: n.Key, grant: n.Grant, service: n.Service,
		}, former.origin, origin.clone),
		holder: t.holders.acquire(holder{user: n.User, family: n.Family}, former.holder, holder.clone),
	}
	if n.Ended {
		e.end()
	}
	t.byID[n.ID[0]].insert(tagOf(n.ID), slot)
	e.next = t.expiry.add(n.ExpiresAt, slot)
	t.link(app, slot, e)
	t.count++
}

func (o origin) clone() origin {
	o.organization, o.scope = strings.Clone(o.organization), strings.Clone(o.scope)
	o.key, o.grant, o.service = strings.Clone(o.key), strings.Clone(o.grant), strings.Clone(o.service)
	return o
}

// remove forgets a token; the caller took it out of the expiry buckets.
func (t *Tokens) remove(slot uint32) {
	e := t.edit(slot)
	t.byID[e.id[0]].remove(tagOf(e.id), slot)
	app := t.origins.value(e.origin).application
	t.unlink(app, e)
	t.holders.release(e.holder)
	t.origins.release(e.origin)
	t.applications.release(app)
	*e = entry{next: t.free}
	t.free = slot
	t.count--
}

// take returns a slot to write.
func (t *Tokens) take() uint32 {
	if slot := t.free; slot != 0 {
		t.free = t.at(slot).next
		return slot
	}
	slot := t.fresh
	if int(slot/chunkLen) == len(t.chunks) {
		t.chunks, t.shared = append(t.chunks, new(chunk)), append(t.shared, false)
	}
	t.fresh++
	return slot
}
