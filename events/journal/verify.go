package journal

import (
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

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

// A verifier reads a log from a cursor and refuses what does not continue it.
// After an error it stands where it stood before.
type verifier struct {
	at     Cursor
	macer  *macer
	origin events.Position // position of the first chain that was kept
	ring   []events.Chain  // chain after position p at (p-origin) % ringSize
	// unanchored: the chain at the start is not known, so chains cannot be
	// compared. MACs and contiguity are checked all the same.
	unanchored bool
	record     Record // reused
}

func newVerifier(key []byte, from Cursor) *verifier {
	return &verifier{
		at: from, macer: newMacer(key), origin: from.Position, ring: []events.Chain{from.Chain},
		unanchored: from.Position > 0 && from.Chain == events.Chain{},
	}
}

// next verifies the message that follows the cursor and moves the cursor.
func (v *verifier) next(msg jetstream.Msg) (*Record, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, err
	}
	pos := events.Position(meta.Sequence.Stream)
	if want := v.at.Position + 1; pos != want {
		return nil, &GapError{Want: want, Got: pos}
	}
	sum, ok := v.macer.verify(msg.Headers().Get(macHeader), msg.Subject(), msg.Data())
	if !ok {
		return nil, &DamageError{Position: pos, Reason: reasonMAC}
	}
	header, decoded, err := events.DecodePage(msg.Data())
	if err != nil {
		// It is what its writer wrote: reading it again does not help.
		return nil, &stopError{fmt.Errorf("journal: page at position %d: %w", pos, err)}
	}
	if reason := v.contradiction(pos, header.Seen); reason != "" {
		return nil, &DamageError{Position: pos, Reason: reason}
	}
	v.advance(Cursor{Position: pos, Chain: extend(v.at.Chain, pos, sum)})
	v.record = Record{
		Position: pos,
		Subject:  msg.Subject(),
		Time:     meta.Timestamp.UTC(),
		Header:   header,
		Chain:    v.at.Chain,
		Payload:  msg.Data(),
		Bytes:    len(msg.Data()) + len(msg.Subject()),
		decoded:  decoded,
	}
	return &v.record, nil
}

// contradiction compares what a writer had seen with what was read here.
func (v *verifier) contradiction(pos events.Position, seen events.Seen) string {
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

func (v *verifier) advance(to Cursor) {
	v.at = to
	if len(v.ring) < ringSize {
		v.ring = append(v.ring, to.Chain)
		return
	}
	v.ring[(to.Position-v.origin)%ringSize] = to.Chain
}
