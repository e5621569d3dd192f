package events

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unsafe"
)

// The two payloads that a busy server writes and replays by the million.

const (
	tokenIssuedName     = "token.issued"
	tokenIssuedVersion  = 1
	tokenRevokedName    = "token.revoked"
	tokenRevokedVersion = 1
)

// appendHot appends the payload of an event that is coded by hand, and reports
// whether d is one.
func appendHot(dst []byte, d Data) ([]byte, bool) {
	switch d := d.(type) {
	case *TokenIssued:
		if d != nil {
			return appendTokenIssued(dst, d), true
		}
	case *TokenRevoked:
		if d != nil {
			return appendTokenRevoked(dst, d), true
		}
	}
	return dst, false
}

// decodeHot reads a payload that is coded by hand. hot says whether there is
// one, ok whether it was in its canonical form.
func (d *decoder) decodeHot(c *cursor, name string, version int) (hot, ok bool) {
	switch {
	case name == tokenIssuedName && version == tokenIssuedVersion:
		ok = c.tokenIssued(&d.token, &d.former)
		d.event.Type, d.event.Version, d.event.Data = tokenIssuedName, version, &d.token
	case name == tokenRevokedName && version == tokenRevokedVersion:
		t := new(TokenRevoked) // the caller's, unlike the other
		ok = c.tokenRevoked(t)
		d.event.Type, d.event.Version, d.event.Data = tokenRevokedName, version, t
	default:
		return false, false
	}
	return true, ok
}

func appendTokenIssued(dst []byte, t *TokenIssued) []byte {
	dst = hex.AppendEncode(append(dst, `{"jti":"`...), t.ID[:])
	dst = hex.AppendEncode(append(dst, `","digest":"`...), t.Digest[:])
	dst = appendString(append(dst, `","application":`...), t.Application)
	dst = strconv.AppendInt(append(dst, `,"secret":`...), int64(t.Secret), 10)
	dst = appendOptional(dst, `,"user":`, t.User)
	if t.UserVersion != 0 {
		dst = strconv.AppendInt(append(dst, `,"userVersion":`...), int64(t.UserVersion), 10)
	}
	dst = appendOptional(dst, `,"service":`, t.Service)
	dst = appendOptional(dst, `,"family":`, t.Family)
	dst = appendString(append(dst, `,"grant":`...), t.Grant)
	dst = appendString(append(dst, `,"scope":`...), t.Scope)
	dst = appendString(append(dst, `,"key":`...), t.Key)
	dst = strconv.AppendInt(append(dst, `,"issuedAt":`...), t.IssuedAt, 10)
	dst = strconv.AppendInt(append(dst, `,"expiresAt":`...), t.ExpiresAt, 10)
	return append(dst, '}')
}

func appendTokenRevoked(dst []byte, t *TokenRevoked) []byte {
	dst = hex.AppendEncode(append(dst, `{"jti":"`...), t.ID[:])
	dst = appendString(append(dst, `","application":`...), t.Application)
	dst = appendOptional(dst, `,"reason":`, t.Reason)
	return append(dst, '}')
}

// likeness is what a token was like that was read before: the tokens of a page
// often differ in their ids and times only.
type likeness struct {
	text  string // from behind the digest up to the time; must not change
	token TokenIssued
}

func (c *cursor) tokenIssued(t *TokenIssued, former *likeness) bool {
	var id TokenID
	var digest TokenDigest
	ok := c.literal(`{"jti":"`) && c.hex(id[:]) && c.literal(`,"digest":"`) && c.hex(digest[:])
	if !ok {
		return false
	}
	if start := c.i; former.text == "" || !c.literal(former.text) {
		if !c.likeness(&former.token) {
			former.text = ""
			return false
		}
		former.text = unsafe.String(&c.b[start], c.i-start)
	}
	*t = former.token
	t.ID, t.Digest = id, digest
	if t.IssuedAt, ok = c.number(); !ok || !c.literal(`,"expiresAt":`) {
		return false
	}
	t.ExpiresAt, ok = c.number()
	return ok && c.literal(`}`)
}

// likeness reads what a likeness remembers.
func (c *cursor) likeness(t *TokenIssued) bool {
	*t = TokenIssued{}
	if !c.member(`,"application":"`, &t.Application) || !c.literal(`,"secret":`) {
		return false
	}
	secret, ok := c.number()
	if !ok || secret > math.MaxInt32 {
		return false
	}
	t.Secret = int(secret)
	return c.optional(`,"user":"`, &t.User) &&
		c.optionalNumber(`,"userVersion":`, &t.UserVersion) &&
		c.optional(`,"service":"`, &t.Service) &&
		c.optional(`,"family":"`, &t.Family) &&
		c.member(`,"grant":"`, &t.Grant) &&
		c.member(`,"scope":"`, &t.Scope) &&
		c.member(`,"key":"`, &t.Key) && c.literal(`,"issuedAt":`)
}

func (c *cursor) tokenRevoked(t *TokenRevoked) bool {
	ok := c.literal(`{"jti":"`) && c.hex(t.ID[:]) &&
		c.member(`,"application":"`, &t.Application) &&
		c.optional(`,"reason":"`, &t.Reason) && c.literal(`}`)
	t.Application, t.Reason = strings.Clone(t.Application), strings.Clone(t.Reason)
	return ok
}
