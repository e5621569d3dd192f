package backup

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/s2"

	"github.com/grantlog/grantlog/events"
)

// reader reads sections, and checks their form.
type reader struct {
	in   *bufio.Reader
	form int // version of the format
	sum  hash.Hash
	kind byte
	body bytes.Buffer
}

// newReader reads the first line.
func newReader(r io.Reader) (*reader, error) {
	line := make([]byte, 0, len(magic)+8)
	for one := make([]byte, 1); ; line = append(line, one[0]) {
		if _, err := io.ReadFull(r, one); err != nil || len(line) == cap(line) {
			return nil, ErrForeign
		}
		if one[0] == '\n' {
			break
		}
	}
	number, ok := strings.CutPrefix(string(line), magic)
	n, err := strconv.Atoi(number)
	switch {
	case !ok || err != nil || n < 1:
		return nil, ErrForeign
	case n > basedFormat:
		return nil, &NewerError{n}
	}
	in := &reader{form: n, in: bufio.NewReaderSize(s2.NewReader(r), 64<<10), sum: sha256.New()}
	in.sum.Write(append(line, '\n'))
	return in, nil
}

// next reads a section. The body is valid until the next call.
func (r *reader) next() (kind byte, body []byte, err error) {
	kind, err = r.in.ReadByte()
	if err != nil {
		return 0, nil, damaged("it ends early (%v)", err)
	}
	if !r.fits(kind) {
		return 0, nil, damaged("a section is out of place")
	}
	r.kind = kind
	n, err := binary.ReadUvarint(r.in)
	if err != nil || n > maxSection {
		return 0, nil, damaged("a section has no length")
	}
	r.body.Reset()
	// The buffer grows with what is there, not with what the length claims.
	if _, err := io.CopyN(&r.body, r.in, int64(n)); err != nil {
		return 0, nil, damaged("a section ends early (%v)", err)
	}
	body = r.body.Bytes()
	if kind != sectionEnd {
		var length [binary.MaxVarintLen64]byte
		r.sum.Write([]byte{kind})
		r.sum.Write(binary.AppendUvarint(length[:0], n))
		r.sum.Write(body)
	}
	return kind, body, nil
}

// fits reports whether a section may follow those before.
func (r *reader) fits(kind byte) bool {
	if r.kind == 0 || kind == sectionHead {
		return r.kind == 0 && kind == sectionHead
	}
	return place(kind) >= place(r.kind) && (kind != sectionBase || r.form >= basedFormat)
}

// scan reads everything. With a key it authenticates the backup, without one it
// finds what accidents do.
func (r *reader) scan(key []byte) (m Manifest, err error) {
	counted := Manifest{}
	records := events.Position(0)
	based := false
	for {
		kind, body, err := r.next()
		if err != nil {
			return m, err
		}
		switch kind {
		case sectionBase:
			based = true
		case sectionRecord:
			records++
		case sectionEntry:
			counted.Entries++
		case sectionManifest:
			if m.Contents != "" || json.Unmarshal(body, &m) != nil || m.Contents == "" {
				return m, damaged("its manifest cannot be read")
			}
		case sectionEnd:
			if err := r.end(body, key); err != nil {
				return m, err
			}
			if counted.Position = records; m.First > 1 {
				counted.Position = m.First - 1 + records
			}
			if m.Contents == "" || m.Position != counted.Position || m.Entries != counted.Entries || based != (m.First > 1) {
				return m, damaged("it does not hold what its manifest says")
			}
			return m, nil
		}
	}
}

func (r *reader) end(body, key []byte) error {
	sum := r.sum.Sum(nil)
	if len(body) != 2*len(sum) || !hmac.Equal(body[:len(sum)], sum) {
		return damaged("its checksum does not fit")
	}
	if _, err := r.in.ReadByte(); err != io.EOF {
		return damaged("it does not end at its end")
	}
	if key != nil && !hmac.Equal(body[len(sum):], authenticate(key, sum)) {
		return ErrWrongKey
	}
	return nil
}

// Scan reads a whole backup without a key: its form and its checksums.
func Scan(r io.Reader) (Manifest, error) {
	in, err := newReader(r)
	if err != nil {
		return Manifest{}, err
	}
	return in.scan(nil)
}
