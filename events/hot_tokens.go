package events

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
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
		ok = c.tokenIssued(&d.token)
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

func (c *cursor) tokenIssued(t *TokenIssued) bool {
	t.User, t.UserVersion, t.Service, t.Family = "", 0, "", ""
	ok := c.literal(`{"jti":"`) && c.hex(t.ID[:]) &&
		c.literal(`,"digest":"`) && c.hex(t.Digest[:]) &&
		c.member(`,"application":"`, &t.Application) && c.literal(`,"secret":`)
	if !ok {
		return false
	}
	secret, ok := c.number()
	if !ok || secret > math.MaxInt32 {
		return false
	}
	t.Secret = int(secret)
	ok = c.optional(`,"user":"`, &t.User) &&
		c.optionalNumber(`,"userVersion":`, &t.UserVersion) &&
		c.optional(`,"service":"`, &t.Service) &&
		c.optional(`,"family":"`, &t.Family) &&
		c.member(`,"grant":"`, &t.Grant) &&
		c.member(`,"scope":"`, &t.Scope) &&
		c.member(`,"key":"`, &t.Key) && c.literal(`,"issuedAt":`)
	if !ok {
		return false
	}
	if t.IssuedAt, ok = c.number(); !ok || !c.literal(`,"expiresAt":`) {
		return false
	}
	t.ExpiresAt, ok = c.number()
	return ok && c.literal(`}`)
}

func (c *cursor) tokenRevoked(t *TokenRevoked) bool {
	ok := c.literal(`{"jti":"`) && c.hex(t.ID[:]) &&
		c.member(`,"application":"`, &t.Application) &&
		c.optional(`,"reason":"`, &t.Reason) && c.literal(`}`)
	t.Application, t.Reason = strings.Clone(t.Application), strings.Clone(t.Reason)
	return ok
}
