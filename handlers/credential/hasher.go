package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"log/slog"
	"sync"

	"github.com/grantlog/grantlog/events"
)

// Purpose names the key of a Hasher for the derivation from the master key. It
// never changes: every stored digest depends on it.
const Purpose = "client secrets"

// Hasher turns client secrets into the digests that the log stores. A secret
// has 256 random bits, so a fast hash is enough; the key keeps even a weak
// secret fixed by hand from being guessed by someone who has the log alone.
// It is safe for concurrent use and prints as "[redacted]".
type Hasher struct{ macs *sync.Pool }

// NewHasher returns a Hasher under a key derived for Purpose.
func NewHasher(key []byte) Hasher {
	return Hasher{macs: &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// Digest is HMAC-SHA256 of the whole secret. Compare digests in constant time.
func (h Hasher) Digest(secret string) (d events.SecretDigest) {
	mac := h.macs.Get().(hash.Hash)
	defer h.macs.Put(mac)
	mac.Reset()
	mac.Write([]byte(secret))
	mac.Sum(d[:0])
	return d
}

const redacted = "[redacted]"

func (Hasher) String() string               { return redacted }
func (Hasher) GoString() string             { return redacted }
func (Hasher) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Hasher) MarshalText() ([]byte, error) { return []byte(redacted), nil }
