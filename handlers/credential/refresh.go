package credential

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"strings"
)

// RefreshPurpose names the key of a Rotator for the derivation from the master
// key. It never changes: a retry on another replica depends on it.
const RefreshPurpose = "refresh tokens"

const (
	refreshPrefix = "refresh_"
	refreshBytes  = 32 // 256 bits
)

var refreshEncoding = base64.RawURLEncoding.Strict()

// NewRefreshToken returns the first refresh token of a family: refresh_ and
// 256 random bits in base64url.
func NewRefreshToken() string {
	b := make([]byte, refreshBytes)
	rand.Read(b)
	return refreshPrefix + refreshEncoding.EncodeToString(b)
}

// LooksLikeRefreshToken reports whether s has the form of a refresh token. It
// says nothing about whether any server ever made it.
func LooksLikeRefreshToken(s string) bool {
	body, ok := strings.CutPrefix(s, refreshPrefix)
	// The decoder would skip line breaks.
	if !ok || len(body) != refreshEncoding.EncodedLen(refreshBytes) || strings.ContainsAny(body, "\r\n") {
		return false
	}
	_, err := refreshEncoding.DecodeString(body)
	return err == nil
}

// Rotator makes the successors of refresh tokens. They are derived, not drawn:
// a client that presents a token once more with the same Idempotency-Key,
// because it lost the answer, gets the same successor from any replica, and
// nothing had to be stored for that. Nobody without the key can tell a token's
// successor. It is safe for concurrent use and prints as "[redacted]".
type Rotator struct{ key []byte }

// NewRotator returns a Rotator under a key derived for RefreshPurpose.
func NewRotator(key []byte) Rotator { return Rotator{key: key} }

// Successor is HMAC-SHA256 of a refresh token, a zero byte and the client's
// Idempotency-Key, in the form of a refresh token. Tokens have no zero byte.
func (r Rotator) Successor(token, idempotencyKey string) string {
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(token))
	mac.Write([]byte{0})
	mac.Write([]byte(idempotencyKey))
	return refreshPrefix + refreshEncoding.EncodeToString(mac.Sum(nil))
}

func (Rotator) String() string               { return redacted }
func (Rotator) GoString() string             { return redacted }
func (Rotator) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Rotator) MarshalText() ([]byte, error) { return []byte(redacted), nil }
