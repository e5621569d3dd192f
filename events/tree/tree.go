package tree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/grantlog/grantlog/events"
)

var (
	// ErrDamaged says that the files of a tree do not hold what was written.
	// The log has it all: make the tree anew.
	ErrDamaged = errors.New("tree: the stored hashes are damaged")

	// ErrBeyond is a position or size that the tree has not reached.
	ErrBeyond = errors.New("tree: the tree is not that large")
)

// Tree is a tree in a directory. Full tiles stand in a file per level, one
// after the other; the edge stands in memory and, as of the last Save, in a
// file of its own. One goroutine appends; any number may read meanwhile.
type Tree struct {
	dir    string
	origin string

	mu    sync.RWMutex // guards the fields below; held for writing by Append and Reset
	edge  Edge
	chain events.Chain // of the log after the last leaf
	files []*os.File   // by level; made when the first tile of a level is full
}

// Open opens the tree of a log in a directory, which it makes if it is missing,
// as the last Save left it; without one the tree is empty. ErrDamaged: the tree
// is open, and empty.
func Open(dir, origin string) (*Tree, error) {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = removeLeftovers(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("tree: %w", err)
	}
	t := &Tree{dir: dir, origin: origin}
	switch _, err := t.load(os.O_RDWR); {
	case errors.Is(err, os.ErrNotExist):
		return t, t.Reset()
	case errors.Is(err, ErrDamaged):
		return t, errors.Join(err, t.Reset())
	case err != nil:
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Load opens the tree in a directory, to read it. Where there is none, the
// error is fs.ErrNotExist.
func Load(dir string) (*Tree, error) {
	t := &Tree{dir: dir}
	origin, err := t.load(os.O_RDONLY)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	t.origin = origin
	return t, nil
}

// load reads what Save wrote, and returns the origin that it was saved with.
func (t *Tree) load(flag int) (origin string, err error) {
	saved, err := readEdge(t.dir)
	if err != nil {
		return "", err
	}
	t.edge, t.chain = saved.edge, saved.chain
	if err := t.openFiles(flag); err != nil {
		return "", err
	}
	return saved.origin, nil
}

// Origin is that of the log.
func (t *Tree) Origin() string { return t.origin }

// Head returns the root of the whole tree.
func (t *Tree) Head() (Head, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.edge.Head()
}

// Edge returns the tree's edge. It is the caller's.
func (t *Tree) Edge() Edge {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.edge.Clone()
}

// At says after which record the tree stands.
func (t *Tree) At() events.Seen {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return events.Seen{Position: events.Position(t.edge.size), Chain: t.chain}
}

// Append adds the leaf of the next record. chain is the log's after it.
func (t *Tree) Append(leaf Hash, chain events.Chain) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.edge.append(leaf, t.writeTile); err != nil {
		return err
	}
	t.chain = chain
	return nil
}

// Reset makes the tree empty.
func (t *Tree) Reset() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	errs := []error{t.close(), remove(filepath.Join(t.dir, edgeName))}
	for level := range levels {
		errs = append(errs, remove(t.levelName(level)))
	}
	t.edge, t.chain = Edge{}, events.Chain{}
	return errors.Join(errs...)
}

func remove(name string) error {
	if err := os.Remove(name); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Save makes durable what was appended.
func (t *Tree) Save() error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, file := range t.files {
		if err := file.Sync(); err != nil {
			return fmt.Errorf("tree: %w", err)
		}
	}
	return writeEdge(t.dir, savedEdge{t.edge, t.chain, t.origin})
}

// Close gives the files back. What was not saved is gone.
func (t *Tree) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.close()
}

func (t *Tree) close() error {
	var errs []error
	for _, file := range t.files {
		errs = append(errs, file.Close())
	}
	t.files = nil
	return errors.Join(errs...)
}

func (t *Tree) levelName(level int) string {
	return filepath.Join(t.dir, fmt.Sprintf("level-%d", level))
}

// openFiles opens the files of the tiles that the edge stands behind.
func (t *Tree) openFiles(flag int) error {
	for level := 0; t.edge.first(level) > 0; level++ {
		file, err := os.OpenFile(t.levelName(level), flag, 0o600)
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w: %s is missing", ErrDamaged, t.levelName(level))
		}
		if err != nil {
			return fmt.Errorf("tree: %w", err)
		}
		t.files = append(t.files, file)
		info, err := file.Stat()
		if err != nil {
			return fmt.Errorf("tree: %w", err)
		}
		if info.Size() < t.edge.first(level)*tileBytes {
			return fmt.Errorf("%w: %s is too short", ErrDamaged, file.Name())
		}
	}
	return nil
}

func (t *Tree) writeTile(level int, n int64, tile []byte) error {
	for level >= len(t.files) {
		file, err := os.OpenFile(t.levelName(len(t.files)), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("tree: %w", err)
		}
		t.files = append(t.files, file)
	}
	if _, err := t.files[level].WriteAt(tile, n*tileBytes); err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	return nil
}

// readTile returns the first hashes of a tile, unchecked.
func (t *Tree) readTile(tile tlog.Tile) ([]byte, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	data := make([]byte, tile.W*tlog.HashSize)
	switch first := t.edge.first(tile.L); {
	case tile.N == first && tile.L < len(t.edge.tiles) && len(data) <= len(t.edge.tiles[tile.L]):
		copy(data, t.edge.tiles[tile.L])
	case tile.N < first && tile.L < len(t.files):
		if _, err := t.files[tile.L].ReadAt(data, tile.N*tileBytes); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	default:
		return nil, ErrBeyond
	}
	return data, nil
}
