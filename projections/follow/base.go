package follow

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
)

// A base is a magic and a stream that is sealed for the base's name: the chain
// before the last archived record and the chain after it, the Merkle tree over
// the archived records, as package tree packs it, and the state that they came
// to (in its canonical form, compressed with S2). So only who has the master key
// can make or read one, or give it for that of another position.
const (
	baseMagic  = "grantlog base 1\n"
	baseFormat = "base-%020d"
)

var (
	// ErrNoBase says that a log does not begin with its first record, and that
	// there is no base that it continues: its beginning was lost, or its base.
	ErrNoBase = errors.New("follow: the beginning of the log is missing, and there is no base for the rest")

	errBase = errors.New("the base does not verify")
)

// Base is what a log begins with whose beginning was archived: what the
// archived records came to. The log holds the last of them once more, so that
// it is seen to continue its base. It is safe for concurrent use.
type Base struct {
	key      []byte
	open     func(context.Context) (io.ReadCloser, error)
	at       journal.Cursor
	previous events.Chain
}

// NewBase returns the base of a log whose first record stands at a position,
// given how to read what WriteBase wrote. key is that of snapshots. What does not
// verify is found as far as it is read: wholly with State and Tree.
func NewBase(ctx context.Context, key []byte, first events.Position, open func(context.Context) (io.ReadCloser, error)) (*Base, error) {
	b := &Base{key: key, open: open, at: journal.Cursor{Position: first}}
	_, done, err := b.body(ctx)
	if err != nil {
		return nil, err
	}
	return b, done()
}

// body opens the base, reads up to the tree, and notes what stands before.
func (b *Base) body(ctx context.Context) (body io.Reader, done func() error, err error) {
	in, err := b.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%w: %w", errBase, err), in.Close())
		}
	}()
	magic := make([]byte, len(baseMagic))
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != baseMagic {
		return nil, nil, errors.Join(errors.New("it is none"), err)
	}
	if body, err = seal.OpenStream(in, b.key, fmt.Sprintf(baseFormat, b.at.Position)); err != nil {
		return nil, nil, err
	}
	var previous, chain events.Chain
	for _, c := range []*events.Chain{&previous, &chain} {
		if _, err := io.ReadFull(body, c[:]); err != nil {
			return nil, nil, err
		}
	}
	if b.at.Chain == (events.Chain{}) {
		b.previous, b.at.Chain = previous, chain // by NewBase
	} else if b.previous != previous || b.at.Chain != chain {
		return nil, nil, errors.New("it is another one than before")
	}
	return body, in.Close, nil
}

// Previous is the chain before the last archived record.
func (b *Base) Previous() events.Chain { return b.previous }

// Cursor stands after the last archived record, which is the first of the log.
func (b *Base) Cursor() journal.Cursor { return b.at }

// State returns what the archived records came to. It is the caller's.
func (b *Base) State(ctx context.Context) (*projections.State, error) {
	body, done, err := b.body(ctx)
	if err != nil {
		return nil, err
	}
	var state *projections.State
	if err = tree.SkipPacked(body); err == nil {
		state, err = projections.Decode(s2.NewReader(body))
	}
	if err == nil && (state.Position != b.at.Position || state.Chain != b.at.Chain) {
		err = fmt.Errorf("its state is that of position %d", state.Position)
	}
	if err = errors.Join(err, done()); err != nil {
		return nil, fmt.Errorf("%w: %w", errBase, err)
	}
	return state, nil
}

// Tree makes the Merkle tree over the archived records in a directory, which
// must have none.
func (b *Base) Tree(ctx context.Context, dir string) error {
	body, done, err := b.body(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(tree.Unpack(dir, body), done()); err != nil {
		return fmt.Errorf("%w: %w", errBase, err)
	}
	return nil
}

// Copy writes the base as WriteBase did.
func (b *Base) Copy(ctx context.Context, w io.Writer) error {
	in, err := b.open(ctx)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return errors.Join(err, in.Close())
}

// WriteBase writes a base: the state that the archived records came to, the
// chain before the last of them, and the tree over them in a directory.
func WriteBase(w io.Writer, key []byte, state *projections.Frozen, previous events.Chain, treeDir string) error {
	if _, err := io.WriteString(w, baseMagic); err != nil {
		return err
	}
	sealed, err := seal.SealStream(w, key, fmt.Sprintf(baseFormat, state.Position))
	if err != nil {
		return err
	}
	if _, err := sealed.Write(append(previous[:], state.Chain[:]...)); err != nil {
		return err
	}
	if err := tree.Pack(sealed, treeDir); err != nil {
		return err
	}
	packed := s2.NewWriter(sealed)
	return errors.Join(state.Encode(packed), packed.Close(), sealed.Close())
}
