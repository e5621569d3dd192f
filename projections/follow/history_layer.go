package follow

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/projections"
)

// A state of the past is a magic and a stream that is sealed for where it stands
// (see kept.sealed), which can be read from anywhere:
//
//	outline   the state without its tokens, compressed with S2
//	sections  of the tokens of its layer, each behind its length (4 bytes)
//	ended     ids of tokens below it that have ended, in order
//	index     for every token of the layer, in the order of their ids, the first
//	          8 bytes of the id and where its section stands (4 bytes, from the first)
//	contents  where all this is, JSON, and behind it its length (4 bytes)
const (
	layerMagic  = "grantlog past 1\n"
	lengthBytes = 4
	prefixBytes = 8
	cellBytes   = prefixBytes + 4
	idBytes     = int64(len(events.TokenID{}))
	outlineUnit = 64 << 10 // of compression
)

// contents is what a file says of itself.
type contents struct {
	Schema    int             `json:"schema"` // of outline and sections
	Position  events.Position `json:"position"`
	Chain     events.Chain    `json:"chain"`
	Previous  events.Chain    `json:"previous"` // before the last record
	Base      events.Position `json:"base,omitempty"`
	BaseChain events.Chain    `json:"baseChain,omitzero"`
	seen                      // what replicas said up to the position

	// Where the parts begin.
	Sections int64 `json:"sections"`
	Ended    int64 `json:"ended"`
	Index    int64 `json:"index"`
	End      int64 `json:"end"`
}

// errLarge is a layer that has too much to be found in it.
var errLarge = errors.New("follow: too many tokens for one state of the past")

// write writes the file of a state and says how large it is.
func (h *History) write(ctx context.Context, k *kept, c *contents, state *projections.Frozen) (err error) {
	k.size, err = replaceFile(h.folder(), k.file(), func(w io.Writer) error {
		if _, err := io.WriteString(w, layerMagic); err != nil {
			return err
		}
		sealed, err := seal.SealStream(w, h.key, k.sealed())
		if err != nil {
			return err
		}
		l := layerWriter{w: io.MultiWriter(sealed, interrupter{ctx})}
		if err := l.state(c, state); err != nil {
			return err
		}
		k.outline = c.Sections
		return sealed.Close()
	})
	return err
}

// layerWriter writes the parts of a file.
type layerWriter struct {
	w     io.Writer
	at    int64
	cells []cell
}

// cell is where a token is found.
type cell struct {
	prefix  uint64
	section uint32
}

func prefixOf(id events.TokenID) uint64 { return binary.BigEndian.Uint64(id[:]) }

func (l *layerWriter) Write(b []byte) (int, error) {
	n, err := l.w.Write(b)
	l.at += int64(n)
	return n, err
}

func (l *layerWriter) state(c *contents, state *projections.Frozen) error {
	// One goroutine: requests need the processors more.
	packed := s2.NewWriter(l, s2.WriterConcurrency(1), s2.WriterBlockSize(outlineUnit))
	if err := errors.Join(state.EncodeOutline(packed), packed.Close()); err != nil {
		return err
	}
	c.Sections = l.at
	if err := state.Layer(c.Base, func(section []byte, ids []events.TokenID) error {
		return l.section(l.at-c.Sections, section, ids)
	}); err != nil {
		return err
	}
	c.Ended = l.at
	if c.Base != 0 {
		for _, id := range state.Ended(c.Base) {
			if _, err := l.Write(id[:]); err != nil {
				return err
			}
		}
	}
	c.Index = l.at
	if err := l.index(); err != nil {
		return err
	}
	c.End = l.at
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = l.Write(binary.BigEndian.AppendUint32(text, uint32(len(text))))
	return err
}

func (l *layerWriter) section(at int64, body []byte, ids []events.TokenID) error {
	if at > math.MaxUint32 {
		return errLarge
	}
	for _, id := range ids {
		l.cells = append(l.cells, cell{prefixOf(id), uint32(at)})
	}
	if _, err := l.Write(binary.BigEndian.AppendUint32(nil, uint32(len(body)))); err != nil {
		return err
	}
	_, err := l.Write(body)
	return err
}

func (l *layerWriter) index() error {
	slices.SortFunc(l.cells, func(a, b cell) int { return cmp.Compare(a.prefix, b.prefix) })
	var buf bytes.Buffer
	for _, c := range l.cells {
		b := binary.BigEndian.AppendUint64(buf.AvailableBuffer(), c.prefix)
		buf.Write(binary.BigEndian.AppendUint32(b, c.section))
		if buf.Len() >= outlineUnit {
			if _, err := buf.WriteTo(l); err != nil {
				return err
			}
		}
	}
	_, err := buf.WriteTo(l)
	return err
}
