package tree

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/grantlog/grantlog/events"
)

// Inclusion proves that a tree holds a leaf.
type Inclusion struct {
	Head Head // of the tree
	Leaf Hash // of the record
	Path []Hash
}

// Check verifies the proof for the record at a position.
func (p Inclusion) Check(position events.Position) error {
	return tlog.CheckRecord(p.Path, p.Head.Size, p.Head.Root, int64(position)-1, p.Leaf)
}

// Consistency proves that a tree begins with the whole of an older one.
type Consistency struct {
	From, To Head
	Path     []Hash
}

// Check verifies the proof.
func (p Consistency) Check() error {
	return tlog.CheckTree(p.Path, p.To.Size, p.To.Root, p.From.Size, p.From.Root)
}

// Inclusion proves that the tree over the first size records holds the one at
// a position.
func (t *Tree) Inclusion(position events.Position, size int64) (p Inclusion, err error) {
	r, err := t.reader()
	if err != nil {
		return p, err
	}
	n := int64(position) - 1
	if size > r.head.Size || n < 0 || n >= size {
		return p, ErrBeyond
	}
	leaf, err := r.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
	if err != nil {
		return p, err
	}
	p.Leaf = leaf[0]
	if p.Head, err = r.headAt(size); err != nil {
		return p, err
	}
	p.Path, err = tlog.ProveRecord(size, n, r)
	return p, err
}

// Consistency proves that the tree over the first to records begins with that
// over the first from.
func (t *Tree) Consistency(from, to int64) (p Consistency, err error) {
	r, err := t.reader()
	if err != nil {
		return p, err
	}
	if to > r.head.Size || from < 1 || from > to {
		return p, ErrBeyond
	}
	if p.From, err = r.headAt(from); err != nil {
		return p, err
	}
	if p.To, err = r.headAt(to); err != nil {
		return p, err
	}
	p.Path, err = tlog.ProveTree(to, from, r)
	return p, err
}

// Coordinates names a tile of hashes, or the bundle of the entries that the
// leaves of a tile of level 0 stand for.
type Coordinates struct {
	Level   int   // of the tree's tiles, from 0
	First   int64 // number of the first hash within the level, from 0
	Count   int64
	Entries bool // of entries, not of hashes

	tile tlog.Tile
}

// ParsePath reads the path of a tile as tlog-tiles has it, from behind "tile/":
// "0/x001/x234/067.p/5" or "entries/000".
func ParsePath(path string) (c Coordinates, ok bool) {
	if strings.HasPrefix(path, "data/") {
		return c, false // what the library calls entries
	}
	if rest, entries := strings.CutPrefix(path, "entries/"); entries {
		path, c.Entries = "data/"+rest, true
	}
	tile, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", height, path))
	if err != nil || tile.L >= levels {
		return c, false
	}
	if c.Entries {
		tile.L = 0
	}
	c.Level, c.First, c.Count, c.tile = tile.L, tile.N*width, int64(tile.W), tile
	return c, true
}

// End is the size of the smallest tree that has the tile.
func (c Coordinates) End() int64 { return (c.First + c.Count) << (height * c.Level) }

// Tile returns the hashes of a tile.
func (t *Tree) Tile(c Coordinates) ([]byte, error) {
	r, err := t.reader()
	if err != nil {
		return nil, err
	}
	if c.First+c.Count > r.head.Size>>(height*c.Level) {
		return nil, ErrBeyond
	}
	return tlog.ReadTileData(c.tile, r)
}

// Leaves returns leaves of the tree over the first records, from one at the
// begin of a tile (positions 1, 257, …) to the tile's end. ErrDamaged: they are
// not those of that head.
func (t *Tree) Leaves(head Head, first events.Position) ([]Hash, error) {
	r := &reader{head, tlog.TileHashReader(tlog.Tree{N: head.Size, Hash: head.Root}, tiles{t})}
	var indexes []int64
	for n := int64(first) - 1; n < min(int64(first)-1+width, head.Size); n++ {
		indexes = append(indexes, tlog.StoredHashIndex(0, n))
	}
	return r.ReadHashes(indexes)
}

// reader reads hashes of a tree as it was at one moment. Every tile is checked
// against the root before a hash of it is given.
type reader struct {
	head   Head
	hashes tlog.HashReader
}

func (t *Tree) reader() (*reader, error) {
	head, err := t.Head()
	if err != nil {
		return nil, err
	}
	return &reader{head, tlog.TileHashReader(tlog.Tree{N: head.Size, Hash: head.Root}, tiles{t})}, nil
}

// ReadHashes implements tlog.HashReader.
func (r *reader) ReadHashes(indexes []int64) ([]Hash, error) {
	hashes, err := r.hashes.ReadHashes(indexes)
	if err != nil && !errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return hashes, err
}

func (r *reader) headAt(size int64) (Head, error) {
	if size == r.head.Size {
		return r.head, nil
	}
	root, err := tlog.TreeHash(size, r)
	return Head{size, root}, err
}

// tiles is a tlog.TileReader of the stored tiles.
type tiles struct{ tree *Tree }

func (tiles) Height() int                     { return height }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (r tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(wanted))
	for i, tile := range wanted {
		var err error
		if data[i], err = r.tree.readTile(tile); err != nil {
			return nil, err
		}
	}
	return data, nil
}
