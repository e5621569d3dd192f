package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/events/tree"
)

// pieceBytes is how much of a base stands in one section.
const pieceBytes = 1 << 20

// Base is what a log begins with whose beginning was archived: what the records
// came to, up to and with the first one that the log still has.
type Base struct {
	// Cursor stands behind that record, Previous is the chain before it.
	Cursor   journal.Cursor
	Previous events.Chain
	// Edge is that of the tree over the records up to there.
	Edge tree.Edge
	// Copy writes the base in the form in which it is kept. A backup only carries
	// it: whoever reads it from there verifies it.
	Copy func(w io.Writer) error
}

// Kept is a base where it is kept.
type Kept interface {
	Cursor() journal.Cursor
	Previous() events.Chain
	Edge(ctx context.Context) (tree.Edge, error)
	Copy(ctx context.Context, w io.Writer) error
}

// BaseOf returns what a backup holds of a base.
func BaseOf(ctx context.Context, k Kept) (*Base, error) {
	edge, err := k.Edge(ctx)
	if err != nil {
		return nil, err
	}
	return &Base{
		Cursor: k.Cursor(), Previous: k.Previous(), Edge: edge,
		Copy: func(w io.Writer) error { return k.Copy(ctx, w) },
	}, nil
}

// before is where the reading of the log begins, so that its first record is
// read, too.
func (b *Base) before() journal.Cursor {
	return journal.Cursor{Position: b.Cursor.Position - 1, Chain: b.Previous}
}

// recognize makes sure that the log begins with the record that the base ends
// with.
func (b *Base) recognize(r *journal.Record) error {
	if b != nil && r.Position == b.Cursor.Position && r.Chain != b.Cursor.Chain {
		return &journal.DamageError{Position: r.Position, Reason: reasonBase}
	}
	return nil
}

const reasonBase = "it is not the record that the archived log ends with"

// base writes the base, and goes on from it.
func (b *writer) base(base *Base) error {
	b.manifest.First, b.manifest.Before = base.Cursor.Position, base.Previous
	b.edge = base.Edge.Clone()
	if b.edge.Size() != int64(base.Cursor.Position) || base.Cursor.Position < 2 {
		return fmt.Errorf("backup: a base at position %d with a tree over %d records", base.Cursor.Position, b.edge.Size())
	}
	pieces := bufio.NewWriterSize(baseWriter{b}, pieceBytes)
	return errors.Join(base.Copy(pieces), pieces.Flush())
}

// baseWriter makes sections of what is written to it.
type baseWriter struct{ *writer }

func (w baseWriter) Write(b []byte) (int, error) {
	for piece := range slices.Chunk(b, pieceBytes) {
		if err := w.section(sectionBase, piece); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// CopyBase writes what Base.Copy did. A backup of a log that begins with
// position 1 has none.
func (f *File) CopyBase(w io.Writer) error {
	return f.sections(sectionBase, func(piece []byte, _ *seal.Sealer) error {
		_, err := w.Write(piece)
		return err
	})
}
