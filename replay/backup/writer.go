package backup

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/s2"

	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/events/tree"
)

// writer writes sections. Write errors stay in its buffer and are returned by
// close at the latest.
type writer struct {
	key      []byte
	sealer   *seal.Sealer
	out      *bufio.Writer // of everything that sum covers
	sum      hash.Hash
	packed   *s2.Writer
	buf      []byte // body in the making
	edge     tree.Edge
	manifest Manifest
}

func newWriter(w io.Writer, master seal.Master, m Manifest, base *Base) (*writer, error) {
	wrapped, sealer, err := master.NewDataKey(dataKey)
	if err != nil {
		return nil, err
	}
	sum, form := sha256.New(), plainFormat
	if base != nil {
		form = basedFormat
	}
	if _, err := fmt.Fprintf(io.MultiWriter(w, sum), "%s%d\n", magic, form); err != nil {
		return nil, err
	}
	b := &writer{key: master.Derive(Purpose), sealer: sealer, sum: sum, manifest: m}
	// One goroutine: where a server writes, requests need the processors more.
	b.packed = s2.NewWriter(w, s2.WriterConcurrency(1))
	b.out = bufio.NewWriterSize(io.MultiWriter(b.sum, b.packed), 64<<10)
	if err := b.json(sectionHead, head{m.Contents, wrapped}); err != nil || base == nil {
		return b, err
	}
	return b, b.base(base)
}

func (b *writer) section(kind byte, body []byte) error {
	var length [binary.MaxVarintLen64]byte
	b.out.WriteByte(kind)
	b.out.Write(binary.AppendUvarint(length[:0], uint64(len(body))))
	_, err := b.out.Write(body)
	return err
}

func (b *writer) json(kind byte, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.section(kind, body)
}

// record writes the next record of the log.
func (b *writer) record(r *journal.Record) error {
	body := binary.AppendUvarint(b.buf[:0], uint64(r.Position))
	body = appendText(body, r.MAC)
	body = appendText(body, r.Subject)
	body = append(body, r.Payload...)
	b.buf = body
	b.manifest.Position, b.manifest.Chain = r.Position, r.Chain
	b.manifest.Bytes += int64(r.Bytes)
	if int64(r.Position) > b.edge.Size() { // the base has the others
		if err := b.edge.Append(tree.Leaf(r.Subject, r.Payload)); err != nil {
			return err
		}
	}
	return b.section(sectionRecord, body)
}

func (b *writer) entry(e erasable.Entry) error {
	plain := append(appendText(nil, e.Key), e.Value...)
	b.manifest.Entries++
	return b.section(sectionEntry, b.sealer.Seal(sealed, plain))
}

// conclude completes the manifest. sign may be nil.
func (b *writer) conclude(sign func(tree.Head) ([]byte, error)) error {
	head, err := b.edge.Head()
	if err != nil {
		return err
	}
	b.manifest.Root = head.Root
	if sign == nil || head.Size == 0 {
		return nil
	}
	checkpoint, err := sign(head)
	b.manifest.Checkpoint = string(checkpoint)
	return err
}

// close writes the end.
func (b *writer) close() error {
	err := errors.Join(b.json(sectionManifest, b.manifest), b.out.Flush())
	if err != nil {
		return err
	}
	sum := b.sum.Sum(nil)
	return errors.Join(b.section(sectionEnd, append(sum, authenticate(b.key, sum)...)), b.out.Flush(), b.packed.Close())
}

// appendText writes a text with its length before it.
func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// cutText reads what appendText wrote.
func cutText(b []byte) (text string, rest []byte, ok bool) {
	n, length := binary.Uvarint(b)
	if length <= 0 || n > uint64(len(b)-length) {
		return "", nil, false
	}
	end := length + int(n)
	return string(b[length:end]), b[end:], true
}

// authenticate is the HMAC of a backup, given the hash of it.
func authenticate(key, sum []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(sum)
	return mac.Sum(nil)
}
