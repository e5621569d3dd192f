package follow

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/klauspost/compress/s2"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/projections"
)

// layer is an open file of a state of the past. It is used by one goroutine.
type layer struct {
	kept
	contents
	file *os.File
	*seal.StreamAt
}

// openings is how often a file is looked for that is given another name
// meanwhile.
const openings = 3

// layerAt opens the state that is kept at a position.
func (h *History) layerAt(position events.Position) (_ *layer, err error) {
	for range openings {
		h.mu.Lock()
		i, found := h.place(position)
		var k kept
		if found {
			k = h.kept[i]
		}
		h.mu.Unlock()
		if !found {
			return nil, fmt.Errorf("%w: nothing is kept of position %d", errSnapshot, position)
		}
		var l *layer
		if l, err = h.openLayer(k); !errors.Is(err, os.ErrNotExist) {
			return l, err
		}
	}
	return nil, err
}

func (h *History) openLayer(k kept) (*layer, error) {
	file, err := os.Open(h.path(k))
	if err != nil {
		return nil, err
	}
	l := &layer{kept: k, file: file}
	if err := l.read(h.key); err != nil {
		file.Close()
		return nil, err
	}
	return l, nil
}

func (l *layer) close() { l.file.Close() }

// read reads what the file says of itself.
func (l *layer) read(key []byte) error {
	magic := make([]byte, len(layerMagic))
	if _, err := l.file.ReadAt(magic, 0); err != nil || string(magic) != layerMagic {
		return errSnapshot
	}
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	behind := io.NewSectionReader(l.file, int64(len(layerMagic)), info.Size()-int64(len(layerMagic)))
	if l.StreamAt, err = seal.OpenStreamAt(behind, behind.Size(), key, l.sealed()); err != nil {
		return err
	}
	length, err := l.number(l.Size() - lengthBytes)
	if err != nil {
		return err
	}
	text, err := l.bytes(l.Size()-lengthBytes-int64(length), int64(length))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &l.contents); err != nil {
		return fmt.Errorf("%w: %w", errSnapshot, err)
	}
	parts := []int64{0, l.Sections, l.Ended, l.Index, l.End, l.Size()}
	if l.Schema != projections.Schema || !slices.IsSorted(parts) || l.Position != l.position || l.Base != l.base || l.Position == 0 {
		return errSnapshot
	}
	return nil
}

// bytes reads a piece.
func (l *layer) bytes(at, length int64) ([]byte, error) {
	if at < 0 || length > l.Size()-at {
		return nil, errSnapshot
	}
	b := make([]byte, length)
	_, err := l.ReadAt(b, at)
	return b, err
}

func (l *layer) number(at int64) (uint32, error) {
	b, err := l.bytes(at, lengthBytes)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b), nil
}

// outline decodes the state without its tokens.
func (l *layer) outline() (*projections.State, error) {
	s, err := projections.Decode(s2.NewReader(io.NewSectionReader(l, 0, l.Sections), s2.ReaderAllocBlock(outlineUnit)))
	switch {
	case err != nil:
		return nil, err
	case s.Position != l.position || s.Chain != l.Chain || !s.Time.Equal(l.time):
		return nil, fmt.Errorf("%w: it is of position %d", errSnapshot, s.Position)
	}
	return s, nil
}

// section reads the one that begins at a place behind the first, and says where
// the next one does.
func (l *layer) section(at int64) (body []byte, next int64, err error) {
	length, err := l.number(l.Sections + at)
	if err != nil {
		return nil, 0, err
	}
	at += lengthBytes
	body, err = l.bytes(l.Sections+at, int64(length))
	return body, at + int64(length), err
}

// addTo puts the tokens of the layer on top of those below.
func (l *layer) addTo(all *projections.Layers) error {
	all.Begin(l.position, l.time)
	for at := int64(0); at < l.Ended-l.Sections; {
		body, next, err := l.section(at)
		if err != nil {
			return err
		}
		if err := all.Section(body); err != nil {
			return err
		}
		at = next
	}
	ids, err := l.bytes(l.Ended, l.Index-l.Ended)
	if err != nil {
		return err
	}
	for id := range slices.Chunk(ids, int(idBytes)) {
		if err := all.End(events.TokenID(id)); err != nil {
			return err
		}
	}
	return nil
}

// find looks for a token in the layer.
func (l *layer) find(id events.TokenID) (t projections.Token, found bool, err error) {
	cell := make([]byte, cellBytes)
	load := func(i int) uint64 {
		if err == nil {
			_, err = l.ReadAt(cell, l.Index+int64(i)*cellBytes)
		}
		return binary.BigEndian.Uint64(cell)
	}
	n, prefix := int((l.End-l.Index)/cellBytes), prefixOf(id)
	for i := sort.Search(n, func(i int) bool { return load(i) >= prefix }); i < n && err == nil && load(i) == prefix; i++ {
		body, _, err := l.section(int64(binary.BigEndian.Uint32(cell[prefixBytes:])))
		if err != nil {
			return t, false, err
		}
		if t, found, err = projections.FindToken(body, id); found || err != nil {
			return t, found, err
		}
	}
	return t, false, err
}

// ended reports whether the layer says that a token below it has ended.
func (l *layer) ended(id events.TokenID) (found bool, err error) {
	other := make([]byte, idBytes)
	_, found = sort.Find(int((l.Index-l.Ended)/idBytes), func(i int) int {
		if err == nil {
			_, err = l.ReadAt(other, l.Ended+int64(i)*idBytes)
		}
		return bytes.Compare(id[:], other)
	})
	return found && err == nil, err
}
