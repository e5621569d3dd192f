package journaltest

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// A record in a block file of nats-server is
//
//	length(4) sequence(8) time(8) subject length(2) subject [header length(4) header] payload checksum(8)
//
// in little endian; the highest bit of the length marks a header.
const (
	recordHeader   = 22
	recordChecksum = 8
	hasHeader      = 1 << 31
	notThere       = 3 << 62 // marks of a sequence: erased, removed
)

// FlipBit flips one bit in the middle of the stored record at pos, as a bad
// disk would. The server must be stopped.
func (e *Env) FlipBit(pos events.Position) {
	e.t.Helper()
	blocks, err := filepath.Glob(filepath.Join(e.opts.StoreDir, "jetstream", "*", "streams", journal.StreamName, "msgs", "*.blk"))
	if err != nil {
		e.t.Fatalf("journaltest: blocks: %v", err)
	}
	for _, name := range blocks {
		block, err := os.ReadFile(name)
		if err != nil {
			e.t.Fatalf("journaltest: block: %v", err)
		}
		if record := find(block, pos); record != nil {
			record[recordHeader+(len(record)-recordHeader-recordChecksum)/2] ^= 1
			if err := os.WriteFile(name, block, 0o600); err != nil {
				e.t.Fatalf("journaltest: block: %v", err)
			}
			return
		}
	}
	e.t.Fatalf("journaltest: no record at position %d in %d blocks", pos, len(blocks))
}

// find returns the part of block that is the record at pos.
func find(block []byte, pos events.Position) []byte {
	for at, record := range records(block) {
		if at == pos {
			return record
		}
	}
	return nil
}

// LastStored returns the last position in a directory of block files; 0: they
// hold no record. The server may be writing them.
func LastStored(dir string) (last events.Position, err error) {
	blocks, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	if err != nil {
		return 0, err
	}
	for _, name := range blocks {
		block, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was there a moment ago
		}
		if err != nil {
			return 0, err
		}
		for at := range records(block) {
			if at&notThere == 0 {
				last = max(last, at)
			}
		}
	}
	return last, nil
}

// records goes through a block up to its end, or to what is no whole record.
func records(block []byte) iter.Seq2[events.Position, []byte] {
	return func(yield func(events.Position, []byte) bool) {
		for len(block) >= recordHeader {
			n := int(binary.LittleEndian.Uint32(block) &^ hasHeader)
			if n < recordHeader || n > len(block) || !yield(events.Position(binary.LittleEndian.Uint64(block[4:])), block[:n]) {
				return
			}
			block = block[n:]
		}
	}
}
