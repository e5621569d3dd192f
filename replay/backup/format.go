// Package backup owns the form of a backup: the log up to a position as one
// file, with what is kept beside the log for its sealed data to be readable.
//
// A backup is a line that names the format and its version, and then, in one
// S2 stream with its own checksums, sections: a kind (one byte), the length of
// the body (uvarint), the body.
//
//	head      what is in the backup; JSON
//	base      a piece of what the log begins with, if its beginning was archived
//	record    position (uvarint), MAC and subject (each a uvarint of its length, then
//	          that), page
//	entry     an entry of package erasable, sealed
//	manifest  what the backup holds; JSON
//	end       the SHA-256 of everything before, uncompressed, and its HMAC
//	          under a key of the master key; nothing follows
//
// Records stand as their writers wrote them, with the MACs of their writers, so
// a backup is verified as the log itself is, and what is sealed in the log is
// sealed here. The base (see Base) is sealed by who made it. The entries, whose names say which users there are, are sealed
// under a data key of this backup, which the head holds wrapped. So whoever has
// a backup and no master key learns what a reader of the log's stream would.
//
// A backup of a log that begins with position 1 is of format 1, which has no
// base; all others are of format 2.
//
// Everything but the sealing and the HMAC can be checked without a key.
package backup

import (
	"errors"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/events/tree"
)

// Purpose names the key that authenticates backups, for its derivation from
// the master key.
const Purpose = "backup"

const (
	// magic stands before the version in the first line.
	magic       = "grantlog backup "
	plainFormat = 1
	basedFormat = 2 // with a base

	dataKey = "backup" // id of the data key
	sealed  = "entry"  // name under which entries are sealed

	// maxSection bounds what a damaged length can make a reader allocate. A
	// section holds little more than one page, which NATS bounds to 8 MiB.
	maxSection = 64 << 20
)

const (
	sectionHead = iota + 1
	sectionRecord
	sectionEntry
	sectionManifest
	sectionEnd
	sectionBase // stands behind the head
)

// place is where a kind of section stands among the others; 0: it is none.
func place(kind byte) int {
	switch {
	case kind == sectionBase:
		return 2
	case kind == sectionHead:
		return 1
	case kind > sectionHead && kind <= sectionEnd:
		return int(kind) + 1
	}
	return 0
}

// Contents says what a backup holds.
type Contents string

// The log and the keys of personal data and third-party tokens, or one of them.
// Keys that are in no backup are destroyed when they are erased; a backup that
// is kept for long does without.
const (
	All  Contents = "all"
	Log  Contents = "log"
	Keys Contents = "keys"
)

// ParseContents reads the name of Contents.
func ParseContents(name string) (Contents, error) {
	switch c := Contents(name); c {
	case All, Log, Keys:
		return c, nil
	}
	return "", fmt.Errorf("%.40q is not one of all, log, keys", name)
}

// Manifest says what a backup holds.
type Manifest struct {
	Created  time.Time `json:"created"`
	Contents Contents  `json:"contents"`
	// First is the first record, and Before the chain before it, where the
	// beginning of the log was archived. Otherwise they are zero.
	First  events.Position `json:"first,omitempty"`
	Before events.Chain    `json:"before,omitzero"`
	// Position is the last record: everything that was acknowledged before the
	// backup was begun is at or before it. Chain is the running hash there.
	Position events.Position `json:"position"`
	Chain    events.Chain    `json:"chain"`
	// Root is that of the Merkle tree over all records of the log up to
	// Position, archived ones included. Checkpoint is the same,
	// signed, where who took the backup knows the name of the log.
	Root       tree.Hash `json:"root"`
	Checkpoint string    `json:"checkpoint,omitempty"`
	Bytes      int64     `json:"bytes"`   // of the records
	Entries    int       `json:"entries"` // of package erasable
}

// head is what the reading of a backup needs to know first.
type head struct {
	Contents Contents `json:"contents"`
	DataKey  []byte   `json:"dataKey"` // wrapped
}

// Opener opens a backup.
type Opener struct {
	Master seal.Master
	// RecordKey authenticates the records; see journal.Config.MACKey.
	RecordKey []byte
}

var (
	// ErrForeign is a file that is no backup.
	ErrForeign = errors.New("it is not a backup of grantlog")
	// ErrDamaged is a backup that is not what was written, or not all of it.
	ErrDamaged = errors.New("the backup is damaged or cut short")
	// ErrWrongKey is a whole backup that another master key authenticates.
	ErrWrongKey = errors.New("the backup was made under another master key than the one given")
)

// A NewerError is a backup of a later format.
type NewerError struct{ Version int }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the backup was written by a newer grantlog than this one (format %d, known is %d)", e.Version, basedFormat)
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}
