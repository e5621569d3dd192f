// Package tree owns the Merkle tree over the records of the log (RFC 6962): what
// a leaf is, the storage of hashes, proofs, and checkpoints, which are signed
// roots. Whoever keeps a checkpoint can tell later whether the log still begins
// with exactly the records it had then.
//
// The leaf with index i is the record at position i+1, so the tree over the
// first n records has size n. A leaf commits to a record as it is stored, sealed
// data sealed: destroying the key of sealed data leaves the tree as it is.
//
// Hashes are computed by golang.org/x/mod/sumdb/tlog. They are kept in tiles of
// 256, as C2SP's tlog-tiles has them. A tile that was read is checked against the
// root before it is used, so a damaged file gives ErrDamaged and never a wrong
// proof.
package tree

import (
	"crypto/sha256"
	"encoding/hex"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is the hash of a leaf or of an inner node.
type Hash = tlog.Hash

// AppendEntry appends the entry of a record, from which its leaf is made: the
// line that sha256sum prints for a file with the record's payload and the name
// of its subject. A record of any size has a short entry, and an entry shows
// nothing of the payload.
func AppendEntry(dst []byte, subject string, payload []byte) []byte {
	sum := sha256.Sum256(payload)
	dst = hex.AppendEncode(dst, sum[:])
	dst = append(dst, "  "...)
	dst = append(dst, subject...)
	return append(dst, '\n')
}

// Leaf returns the leaf of a record: the RFC 6962 leaf hash of its entry.
func Leaf(subject string, payload []byte) Hash {
	var entry [256]byte
	return tlog.RecordHash(AppendEntry(entry[:0], subject, payload))
}
