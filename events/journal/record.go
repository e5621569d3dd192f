package journal

import (
	"iter"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Cursor says after which record to read. The zero Cursor stands before the
// first record. One with a position and no chain reads from there without
// comparing chains: what a listener needs, who is told positions only.
type Cursor struct {
	Position events.Position
	Chain    events.Chain
}

// A Record is one verified page of the log. It is valid until the function it
// was given to returns; a copy is good for longer, for nobody writes to what it
// refers to.
type Record struct {
	Position events.Position
	Subject  string
	Time     time.Time // the server's clock, UTC; not covered by the MAC
	Header   events.PageHeader
	Chain    events.Chain // the chain after this record; meaningless after a cursor without one
	Payload  []byte       // the page as it was written: what the MAC covers
	MAC      string       // as it is stored; it tells nothing of the key
	Bytes    int          // size of Payload and Subject

	decoded iter.Seq2[*events.Event, error]
}

// Events decodes the page. An event is valid until the next iteration (see
// events.DecodePage). An error ends the sequence.
func (r *Record) Events() iter.Seq2[*events.Event, error] { return r.decoded }

// Cursor stands after this record.
func (r *Record) Cursor() Cursor { return Cursor{Position: r.Position, Chain: r.Chain} }
