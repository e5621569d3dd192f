package events

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

var errHex = errors.New("events: not a hex id of the right length")

// NewTokenID returns a random jti.
func NewTokenID() (id TokenID) {
	rand.Read(id[:])
	return id
}

// NewUUID returns a random UUID (RFC 9562 version 4).
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return UUIDFrom(b)
}

// UUIDFrom is NewUUID of given random bits, six of which do not count.
func UUIDFrom(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// NewID returns prefix and 128 random bits in base32: letters and digits that
// are safe in a NATS subject, a URL and a file name.
func NewID(prefix string) string { return prefix + rand.Text() }

// IDFrom is NewID of given random bits.
func IDFrom(prefix string, b [16]byte) string {
	return prefix + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])
}

// String returns the jti as 32 lower-case hex digits.
func (id TokenID) String() string { return hex.EncodeToString(id[:]) }

// ParseTokenID reads a jti. It accepts exactly what String writes.
func ParseTokenID(s string) (id TokenID, err error) {
	return id, decodeHex(id[:], s)
}

func (id TokenID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

func (id *TokenID) UnmarshalText(b []byte) error { return decodeHex(id[:], string(b)) }

func (d TokenDigest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

func (d *TokenDigest) UnmarshalText(b []byte) error { return decodeHex(d[:], string(b)) }

func (d SecretDigest) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, d[:]), nil
}

func (d *SecretDigest) UnmarshalText(b []byte) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(string(b))
	if err != nil || len(raw) != len(d) {
		return errors.New("events: not a secret digest")
	}
	copy(d[:], raw)
	return nil
}

func (c Chain) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, c[:]), nil }

func (c *Chain) UnmarshalText(b []byte) error { return decodeHex(c[:], string(b)) }

// decodeHex fills dst from lower-case hex of exactly its length.
func decodeHex(dst []byte, s string) error {
	if len(s) != 2*len(dst) {
		return errHex
	}
	for i := range dst {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return errHex
		}
		dst[i] = hi<<4 | lo
	}
	return nil
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// RawJSON is a JSON value kept as it was written.
type RawJSON = json.RawMessage
