package journal

import (
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
)

// ringSize is how many recent chains a reader keeps to check what writers say
// they had seen: 2 MiB.
const ringSize = 64 << 10

// What a DamageError can say.
const (
	reasonMAC    = "the MAC does not fit the page"
	reasonFuture = "the writer had seen a position that is not before its page"
	reasonChain  = "the writer had seen another log before its page"
)

// A Message is a record as it is stored, before anything of it was verified.
type Message struct {
	Position events.Position
	Subject  string
	MAC      string // base64url; see Record.MAC
	Payload  []byte // must not change afterwards
	Time     time.Time
}

// A Verifier reads a log from a cursor, from wherever it is kept, and refuses
// what does not continue it. After an error it stands where it stood before. It
// is used by one goroutine at a time.
type Verifier struct {
	at     Cursor
	macer  *macer          // nil: MACs are taken as they are
	origin events.Position // position of the first chain that was kept
	ring   []events.Chain  // chain after position p at (p-origin) % ringSize
	// unanchored: the chain at the start is not known, so chains cannot be
	// compared. MACs and contiguity are checked all the same.
	unanchored bool
	record     Record // reused
}

// NewVerifier returns a Verifier that stands at a cursor. Without a key it
// cannot tell who wrote a record; contiguity and chains are checked all the
// same, the chains over the MACs that the records state.
func NewVerifier(key []byte, from Cursor) *Verifier {
	v := &Verifier{
		at: from, origin: from.Position, ring: []events.Chain{from.Chain},
		unanchored: from.Position > 0 && from.Chain == events.Chain{},
	}
	if key != nil {
		v.macer = newMacer(key)
	}
	return v
}

// Next verifies the message that follows the cursor and moves the cursor. The
// record is valid until the next call. A *GapError or *DamageError is a log
// that is not whole; any other error is a page that this version cannot read.
func (v *Verifier) Next(m Message) (*Record, error) {
	if want := v.at.Position + 1; m.Position != want {
		return nil, &GapError{Want: want, Got: m.Position}
	}
	sum, ok := v.authenticate(m)
	if !ok {
		return nil, &DamageError{Position: m.Position, Reason: reasonMAC}
	}
	header, decoded, err := events.DecodePage(m.Payload)
	if err != nil {
		return nil, fmt.Errorf("journal: page at position %d: %w", m.Position, err)
	}
	if reason := v.contradiction(m.Position, header.Seen); reason != "" {
		return nil, &DamageError{Position: m.Position, Reason: reason}
	}
	v.advance(Cursor{Position: m.Position, Chain: extend(v.at.Chain, m.Position, sum)})
	v.record = Record{
		Position: m.Position,
		Subject:  m.Subject,
		Time:     m.Time,
		Header:   header,
		Chain:    v.at.Chain,
		Payload:  m.Payload,
		MAC:      m.MAC,
		Bytes:    len(m.Payload) + len(m.Subject),
		decoded:  decoded,
	}
	return &v.record, nil
}

// authenticate returns the MAC of a message, if it is its writer's.
func (v *Verifier) authenticate(m Message) (mac, bool) {
	if v.macer == nil {
		return parseMAC(m.MAC)
	}
	return v.macer.verify(m.MAC, m.Subject, m.Payload)
}

// contradiction compares what a writer had seen with what was read here.
func (v *Verifier) contradiction(pos events.Position, seen events.Seen) string {
	if seen.Position == 0 {
		return ""
	}
	if seen.Position >= pos {
		return reasonFuture
	}
	// Older than the ring: pages in between vouch for it.
	if v.unanchored || seen.Position < v.origin || v.at.Position-seen.Position >= ringSize {
		return ""
	}
	if v.ring[(seen.Position-v.origin)%ringSize] != seen.Chain {
		return reasonChain
	}
	return ""
}

func (v *Verifier) advance(to Cursor) {
	v.at = to
	if len(v.ring) < ringSize {
		v.ring = append(v.ring, to.Chain)
		return
	}
	v.ring[(to.Position-v.origin)%ringSize] = to.Chain
}
