package projections

import (
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Archive is a file that holds records of the log, which may be gone from the
// log itself. Values are immutable.
type Archive struct {
	Position   events.Position `json:"position"` // of the record that tells of it
	ArchivedAt time.Time       `json:"archivedAt"`
	From       events.Position `json:"from"` // first and last record of the file
	Through    events.Position `json:"through"`
	Chain      events.Chain    `json:"chain"`  // after the last one
	Root       []byte          `json:"root"`   // of the Merkle tree over all records up to it
	State      []byte          `json:"state"`  // hash of the state there
	SHA256     string          `json:"sha256"` // of the file, in hexadecimal digits
	Bytes      int64           `json:"bytes"`  // of the file
}

// Archives is what the log says of its archived records. The archives of a log
// continue each other; the last one may overlap with the log, if its beginning
// could not be removed.
type Archives struct {
	list []*Archive // in log order
}

func newArchives() *Archives { return &Archives{} }

// All lists the archives in log order. The list must not be changed.
func (p *Archives) All() []*Archive { return p.list }

// Through returns the last archive that ends with a record.
func (p *Archives) Through(position events.Position) (*Archive, bool) {
	for i := len(p.list) - 1; i >= 0; i-- {
		if p.list[i].Through == position {
			return p.list[i], true
		}
	}
	return nil, false
}

func (p *Archives) add(at at, d *events.LogArchived) {
	p.list = append(p.list, &Archive{
		Position: at.position, ArchivedAt: at.time, From: d.From, Through: d.Through, Chain: d.Chain,
		Root: d.Root, State: d.State, SHA256: strings.Clone(d.SHA256), Bytes: d.Bytes,
	})
}

// restore takes an archive out of a snapshot.
func (p *Archives) restore(a *Archive) bool {
	n := len(p.list)
	p.list = append(p.list, a)
	return n == 0 || p.list[n-1].Position < a.Position
}
