package credential

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"math/big"

	"github.com/grantlog/grantlog/events"
)

// RootPurpose names the key that roots are derived under for the derivation
// from the master key. It never changes: a retry on another replica depends on
// it.
const RootPurpose = "idempotency keys"

// Root is what the ids and secrets of one request are made from: each method
// gives one value, always the same. Nobody can tell one value from another
// without the root. It prints as "[redacted]".
type Root struct{ key [sha256.Size]byte }

// NewRoot returns a random root.
func NewRoot() (r Root) {
	rand.Read(r.key[:])
	return r
}

// RootOf returns the root of a request with an Idempotency-Key, for a key
// derived for RootPurpose. What the log remembers of the request leads there
// and, without that key, to nothing.
func RootOf(key []byte, request events.RequestDigest, nonce events.RequestNonce) (r Root) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("root"))
	mac.Write(request[:])
	mac.Write(nonce[:])
	mac.Sum(r.key[:0])
	return r
}

// Secret is a client secret.
func (r Root) Secret() string {
	body := base62(r.number("secret"), secretDigits)
	return secretPrefix + body + SecretChecksum(body)
}

// ClientID is the OAuth client_id of an application.
func (r Root) ClientID() string {
	return clientIDPrefix + base62(r.number("client_id"), clientDigits)
}

// ServiceClientID is the client_id of a credential of a service.
func (r Root) ServiceClientID() string {
	return events.ServiceClientPrefix + base62(r.number("service client_id"), clientDigits)
}

// ID is an id as events.NewID makes them.
func (r Root) ID(prefix string) string { return events.IDFrom(prefix, [16]byte(r.value("id"))) }

// UUID is an id as events.NewUUID makes them.
func (r Root) UUID() string { return events.UUIDFrom([16]byte(r.value("uuid"))) }

func (r Root) number(what string) *big.Int { return new(big.Int).SetBytes(r.value(what)) }

func (r Root) value(what string) []byte {
	mac := hmac.New(sha256.New, r.key[:])
	mac.Write([]byte(what))
	return mac.Sum(nil)
}

func (Root) String() string               { return redacted }
func (Root) GoString() string             { return redacted }
func (Root) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Root) MarshalText() ([]byte, error) { return []byte(redacted), nil }
