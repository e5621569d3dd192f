package projections

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The canonical form is a magic, the schema and sections; a section is its
// kind (one byte), the length of its body (uvarint) and its body. Sections
// stand in the order of their kinds, within a kind in the order of an id:
//
//	head          position, chain, log time (binary)
//	organization  one each, JSON
//	application   one each, JSON
//	service       one each, JSON, deleted ones too
//	key           one each, JSON, oldest first
//	keyring       what is known of keys beside the published ones, JSON
//	tokens        some of one application's tokens (token_sections.go)
//	usage         an application's calls (usage_sections.go)
//	org. usage    an organization's
//	report        a replica's last account of calls, one each, JSON
//	user          one each, JSON, by organization, oldest first
//	erasure       what is to be destroyed outside of the log, one each, JSON
//	users         the revision of each organization's users, JSON
//	login         a pair's latest failures, one each, JSON
//	provider      one each, JSON, by organization and name, removed ones too
//	authentication one each, JSON
//	refresh family one each, JSON
//	request       one each, JSON, by organization, oldest first
//	webhook       one each, JSON
//	ended         where each organization's last ending stands, JSON
//	epoch         one each, JSON, in log order
//	archive       one each, JSON, in log order
//	end           nothing; nothing follows
const (
	sectionHead = iota + 1
	sectionOrganization
	sectionApplication
	sectionService
	sectionKey
	sectionKeyring
	sectionTokens
	sectionUsage
	sectionOrganizationUsage
	sectionReport
	sectionUser
	sectionErasure
	sectionUserRevisions
	sectionLogin
	sectionProvider
	sectionAuthentication
	sectionRefreshFamily
	sectionRequest
	sectionWebhook
	sectionEnded
	sectionEpoch
	sectionArchive
	sectionEnd
)

const (
	magic = "grantlog state\n"
	// schema must be raised when the form changes, and when the fold comes to
	// another result for the same events: snapshots of other schemas are
	// dropped and the log is replayed.
	schema = 9
	// maxSection bounds what a damaged length can make a reader allocate. A
	// section holds little more than one event, which NATS bounds to 8 MiB.
	maxSection = 64 << 20
	// sectionPart is how much is written at once.
	sectionPart = 64 << 10
)

// ErrSnapshot is wrapped by every error of Decode.
var ErrSnapshot = errors.New("projections: not a valid snapshot")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSnapshot, fmt.Sprintf(format, args...))
}

// sectionWriter writes sections until the first error, which close returns.
type sectionWriter struct {
	w   *bufio.Writer
	buf []byte // body in the making
	err error
}

func newSectionWriter(w io.Writer) *sectionWriter {
	e := &sectionWriter{w: bufio.NewWriterSize(w, sectionPart)}
	e.w.WriteString(magic)
	e.w.Write(binary.AppendUvarint(nil, schema))
	return e
}

// section writes a body. Write errors stay in the bufio.Writer.
func (e *sectionWriter) section(kind byte, body []byte) {
	if len(body) > maxSection && e.err == nil {
		e.err = fmt.Errorf("projections: section %d of %d bytes", kind, len(body))
	}
	e.w.Write(binary.AppendUvarint([]byte{kind}, uint64(len(body))))
	e.w.Write(body)
}

func (e *sectionWriter) json(kind byte, v any) {
	body, err := json.Marshal(v)
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("projections: encode section %d: %w", kind, err)
	}
	e.section(kind, body)
}

func (e *sectionWriter) head(f *Frozen) {
	b := binary.AppendUvarint(e.buf[:0], uint64(f.Position))
	b = append(b, f.Chain[:]...)
	b = binary.AppendVarint(b, f.Time.Unix())
	b = binary.AppendUvarint(b, uint64(f.Time.Nanosecond()))
	e.section(sectionHead, b)
	e.buf = b
}

func (e *sectionWriter) close() error {
	e.section(sectionEnd, nil)
	return errors.Join(e.err, e.w.Flush())
}

// sectionReader reads what a sectionWriter wrote.
type sectionReader struct {
	r    *bufio.Reader
	body bytes.Buffer
	kind byte
}

func newSectionReader(r io.Reader) (*sectionReader, error) {
	d := &sectionReader{r: bufio.NewReaderSize(r, 64<<10)}
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(d.r, start); err != nil || string(start) != magic {
		return nil, malformed("no magic")
	}
	if n, err := binary.ReadUvarint(d.r); err != nil || n != schema {
		return nil, malformed("schema %d, want %d", n, schema)
	}
	return d, nil
}

// next reads a section. The body is valid until the next call.
func (d *sectionReader) next() (kind byte, body []byte, err error) {
	if kind, err = d.r.ReadByte(); err != nil {
		return 0, nil, malformed("ends early: %v", err)
	}
	if kind < d.kind || kind > sectionEnd {
		return 0, nil, malformed("section %d after %d", kind, d.kind)
	}
	d.kind = kind
	n, err := binary.ReadUvarint(d.r)
	if err != nil || n > maxSection {
		return 0, nil, malformed("length of section %d", kind)
	}
	d.body.Reset()
	// The buffer grows with what is there, not with what the length claims.
	if _, err := io.CopyN(&d.body, d.r, int64(n)); err != nil {
		return 0, nil, malformed("section %d ends early: %v", kind, err)
	}
	return kind, d.body.Bytes(), nil
}

// end makes sure that nothing follows.
func (d *sectionReader) end(body []byte) error {
	if _, err := d.r.ReadByte(); len(body) > 0 || err != io.EOF {
		return malformed("does not end at its end")
	}
	return nil
}

func decodeJSON[T any](body []byte) (*T, error) {
	v := new(T)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return nil, malformed("%v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, malformed("more than one value")
	}
	return v, nil
}
