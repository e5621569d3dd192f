// Package credential owns the making of client credentials and the one way
// their secrets are stored: as a digest under a key that only the server has.
//
// A client secret is
//
//	secret_ + 43 characters + 6 characters
//
// all base62 (0-9A-Za-z). The 43 are 256 random bits as a number; the 6 are
// the CRC-32 (IEEE, as in zip and in GitHub's tokens) of the 43 characters,
// also as a number, both padded with zeros. A secret scanner matches
// secret_[0-9A-Za-z]{49} and computes the checksum to be sure of a finding
// without asking anybody: see LooksLikeSecret. The checksum adds no secrecy
// and the server does not rely on it.
package credential

import (
	"hash/crc32"
	"math/big"
	"strings"
)

const (
	secretPrefix   = "secret_"
	clientIDPrefix = "app_"

	secretDigits = 43 // 62^43 > 2^256, which are the bits of a secret
	checkDigits  = 6  // 62^6 > 2^32
	clientDigits = 16 // 95 bits

	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewSecret returns a client secret of 256 random bits.
func NewSecret() string { return NewRoot().Secret() }

// NewClientID returns a random OAuth client_id: app_ and 16 base62 characters.
func NewClientID() string { return NewRoot().ClientID() }

// NewServiceClientID returns a random client_id for a credential of a service:
// svc_ and 16 base62 characters.
func NewServiceClientID() string { return NewRoot().ServiceClientID() }

// SecretChecksum returns the last six characters of a secret, computed from
// the 43 in its middle.
func SecretChecksum(body string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body)))), checkDigits)
}

// LooksLikeSecret reports whether s has the form and the checksum of a client
// secret. It says nothing about whether any server ever made it.
func LooksLikeSecret(s string) bool {
	body, ok := strings.CutPrefix(s, secretPrefix)
	if !ok || len(body) != secretDigits+checkDigits {
		return false
	}
	for i := range len(body) {
		if strings.IndexByte(alphabet, body[i]) < 0 {
			return false
		}
	}
	return SecretChecksum(body[:secretDigits]) == body[secretDigits:]
}

// base62 writes the low digits of n, padded with zeros.
func base62(n *big.Int, digits int) string {
	out := make([]byte, digits)
	base, rest := big.NewInt(int64(len(alphabet))), new(big.Int)
	for i := digits - 1; i >= 0; i-- {
		n.QuoRem(n, base, rest)
		out[i] = alphabet[rest.Int64()]
	}
	return string(out)
}
