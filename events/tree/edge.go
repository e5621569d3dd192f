package tree

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// height of a tile, and what follows from it.
	height    = 8
	width     = 1 << height
	tileBytes = width * tlog.HashSize
	// levels is how many levels of tiles a tree can have.
	levels = 8
)

// Head is a root and the number of records under it.
type Head struct {
	Size int64
	Root Hash
}

// Edge is the right edge of a tree that grows: the last tile of each level,
// which is not full yet. It is all that appending and the root need. The zero
// Edge is that of an empty tree. It is used by one goroutine at a time.
type Edge struct {
	size  int64
	tiles [][]byte // by level; a hash of level l stands for 256^l leaves
}

// Size is the number of leaves.
func (e *Edge) Size() int64 { return e.size }

// Append adds a leaf.
func (e *Edge) Append(leaf Hash) error { return e.append(leaf, nil) }

// append adds a leaf and gives keep every tile that it fills. After an error of
// keep the edge is as it was.
func (e *Edge) append(leaf Hash, keep func(level int, n int64, tile []byte) error) error {
	if err := e.push(0, leaf, keep); err != nil {
		return err
	}
	e.size++
	return nil
}

func (e *Edge) push(level int, h Hash, keep func(level int, n int64, tile []byte) error) error {
	if level == len(e.tiles) {
		e.tiles = append(e.tiles, make([]byte, 0, tileBytes))
	}
	tile := append(e.tiles[level], h[:]...)
	if len(tile) < tileBytes {
		e.tiles[level] = tile
		return nil
	}
	n := e.first(level)
	if keep != nil {
		if err := keep(level, n, tile); err != nil {
			return err
		}
	}
	up, err := above(level, n, tile)
	if err != nil {
		return err
	}
	if err := e.push(level+1, up, keep); err != nil {
		return err
	}
	e.tiles[level] = tile[:0]
	return nil
}

// above returns the hash of a full tile, of which the halves' hashes are inside.
func above(level int, n int64, tile []byte) (Hash, error) {
	full := tlog.Tile{H: height, L: level, N: n, W: width}
	left, err := tlog.HashFromTile(full, tile, tlog.StoredHashIndex(height*(level+1)-1, 2*n))
	if err != nil {
		return Hash{}, err
	}
	right, err := tlog.HashFromTile(full, tile, tlog.StoredHashIndex(height*(level+1)-1, 2*n+1))
	return tlog.NodeHash(left, right), err
}

// first is the number of the edge's tile within a level.
func (e *Edge) first(level int) int64 { return e.size >> (height * (level + 1)) }

// Head returns the root.
func (e *Edge) Head() (Head, error) {
	root, err := tlog.TreeHash(e.size, tlog.HashReaderFunc(e.read))
	return Head{e.size, root}, err
}

// read is a tlog.HashReader of what the root is made of.
func (e *Edge) read(indexes []int64) ([]Hash, error) {
	hashes := make([]Hash, len(indexes))
	for i, index := range indexes {
		tile := tlog.TileForIndex(height, index)
		if tile.L >= len(e.tiles) || tile.N != e.first(tile.L) || tile.W*tlog.HashSize > len(e.tiles[tile.L]) {
			return nil, fmt.Errorf("tree: hash %d is not at the edge of %d leaves", index, e.size)
		}
		var err error
		if hashes[i], err = tlog.HashFromTile(tile, e.tiles[tile.L], index); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// EdgePaths are the paths of the tiles that the edge of a tree consists of, from
// behind "tile/", by level; empty: that one has nothing in it.
func EdgePaths(size int64) (paths []string) {
	for level := 0; size>>(height*level) > 0; level++ {
		path := ""
		if n := size >> (height * level); n%width > 0 {
			path = tlog.Tile{H: height, L: level, N: n / width, W: int(n % width)}.Path()
			path = strings.TrimPrefix(path, fmt.Sprintf("tile/%d/", height))
		}
		paths = append(paths, path)
	}
	return paths
}

// EdgeOf makes an edge of its tiles, which EdgePaths names.
func EdgeOf(size int64, tiles [][]byte) (Edge, error) {
	e := Edge{size: size, tiles: tiles}
	if !e.whole() {
		return Edge{}, fmt.Errorf("%w: these tiles are no edge of a tree over %d records", ErrDamaged, size)
	}
	return e.Clone(), nil
}

// Clone returns a copy, which grows on its own.
func (e *Edge) Clone() Edge {
	clone := Edge{size: e.size, tiles: make([][]byte, len(e.tiles))}
	for level, tile := range e.tiles {
		clone.tiles[level] = append(make([]byte, 0, tileBytes), tile...)
	}
	return clone
}

// whole reports whether the edge has the tiles that its size asks for.
func (e *Edge) whole() bool {
	if e.size < 0 || len(e.tiles) > levels {
		return false
	}
	for level := range levels {
		want := int(e.size>>(height*level)) % width * tlog.HashSize
		if level >= len(e.tiles) {
			if want != 0 {
				return false
			}
			continue
		}
		if len(e.tiles[level]) != want {
			return false
		}
	}
	return true
}
