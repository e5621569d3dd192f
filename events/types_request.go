package events

import (
	"crypto/rand"
	"encoding/hex"
)

// RequestDigest is the first half of a keyed SHA-256 (HMAC under a key derived
// from the master key): it recognizes an Idempotency-Key, or what a request
// asks, and tells neither.
type RequestDigest [16]byte

// RequestNonce is 128 random bits. With a key of the server they give the ids
// and secrets of what a request makes; alone they give nothing.
type RequestNonce [16]byte

// NewRequestNonce returns a random nonce.
func NewRequestNonce() (n RequestNonce) {
	rand.Read(n[:])
	return n
}

// RequestKeyed stands before the events of a request that came with an
// Idempotency-Key, in their record and on their subject. It has no condition:
// the first one of a key, in log order, counts. Behind any other that comes
// while that one is remembered, the events that it covers did not happen.
type RequestKeyed struct {
	Key     RequestDigest `json:"key"`     // of the caller and its Idempotency-Key
	Request RequestDigest `json:"request"` // of what was asked
	Nonce   RequestNonce  `json:"nonce"`
	Covers  int           `json:"covers"` // how many events behind this one
}

// EventType is the stable name.
func (*RequestKeyed) EventType() Type { return "request.keyed" }

func (d RequestDigest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

func (d *RequestDigest) UnmarshalText(b []byte) error { return decodeHex(d[:], string(b)) }

func (n RequestNonce) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, n[:]), nil }

func (n *RequestNonce) UnmarshalText(b []byte) error { return decodeHex(n[:], string(b)) }
