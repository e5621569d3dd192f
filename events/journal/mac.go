package journal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"

	"github.com/grantlog/grantlog/events"
)

// macHeader carries the MAC of a page: base64url without padding of
// HMAC-SHA256(key, subject || 0x00 || payload). The payload holds the commit
// id, the writer and what it had seen, so all of them are covered.
const macHeader = "Grantlog-Mac"

var macEncoding = base64.RawURLEncoding.Strict()

type mac [sha256.Size]byte

func (m mac) String() string { return macEncoding.EncodeToString(m[:]) }

// A macer computes MACs. It is used by one goroutine at a time.
type macer struct {
	h       hash.Hash
	subject []byte // reused
}

func newMacer(key []byte) *macer { return &macer{h: hmac.New(sha256.New, key)} }

func (m *macer) sum(subject string, payload []byte) (sum mac) {
	m.h.Reset()
	m.subject = append(append(m.subject[:0], subject...), 0)
	m.h.Write(m.subject)
	m.h.Write(payload)
	m.h.Sum(sum[:0])
	return sum
}

// verify reports whether header is the MAC of the page, and the MAC.
func (m *macer) verify(header, subject string, payload []byte) (mac, bool) {
	sum := m.sum(subject, payload)
	got, ok := parseMAC(header)
	return sum, ok && hmac.Equal(sum[:], got[:])
}

// parseMAC reads what String wrote.
func parseMAC(header string) (got mac, ok bool) {
	if macEncoding.DecodedLen(len(header)) != len(got) {
		return got, false
	}
	n, err := macEncoding.Decode(got[:], []byte(header))
	return got, err == nil && n == len(got)
}

// extend returns the chain after the record at pos:
// SHA-256(chain || uint64be(pos) || mac).
func extend(chain events.Chain, pos events.Position, sum mac) events.Chain {
	var b [len(chain) + 8 + len(sum)]byte
	copy(b[:], chain[:])
	binary.BigEndian.PutUint64(b[len(chain):], uint64(pos))
	copy(b[len(chain)+8:], sum[:])
	return sha256.Sum256(b[:])
}
