package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections/follow"
)

// Based is the Origin of a log that has a base. Its tree is laid into a directory
// for temporary files when it is asked for.
type Based struct {
	*follow.Base

	mu   sync.Mutex // guards what follows
	time time.Time  // zero: not known yet
	dir  string     // of the tree; empty: there is none yet
	tree *tree.Tree
}

// NewBased returns the origin that a base is. Close it.
func NewBased(base *follow.Base) *Based { return &Based{Base: base} }

// Close removes what was laid down.
func (b *Based) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	if b.tree != nil {
		err = b.tree.Close()
	}
	if b.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	b.tree, b.dir = nil, ""
	return err
}

// Time implements Origin.
func (b *Based) Time(ctx context.Context) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.time.IsZero() {
		return b.time, nil
	}
	s, err := b.State(ctx)
	if err == nil {
		b.time = s.Time
	}
	return b.time, err
}

// Edge implements Origin.
func (b *Based) Edge(ctx context.Context) (tree.Edge, error) {
	t, err := b.leaves(ctx)
	if err != nil {
		return tree.Edge{}, err
	}
	return t.Edge(), nil
}

// Head implements Origin.
func (b *Based) Head(ctx context.Context, size int64) (tree.Head, error) {
	if size == 0 {
		return tree.Head{}, nil // every log begins with nothing
	}
	t, err := b.leaves(ctx)
	if err != nil {
		return tree.Head{}, err
	}
	p, err := t.Consistency(size, int64(b.Cursor().Position))
	return p.From, err
}

// leaves opens the tree.
func (b *Based) leaves(ctx context.Context) (_ *tree.Tree, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tree != nil {
		return b.tree, nil
	}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "grantlog-base-*"); err != nil {
			return nil, err
		}
	}
	dir := filepath.Join(b.dir, "tree")
	if err := os.RemoveAll(dir); err != nil { // of an attempt that failed
		return nil, err
	}
	if err := b.Tree(ctx, dir); err != nil {
		return nil, err
	}
	t, err := tree.Load(dir)
	if err != nil {
		return nil, err
	}
	if at := t.At(); at.Position != b.Cursor().Position || at.Chain != b.Cursor().Chain {
		return nil, errors.Join(fmt.Errorf("%w: it stands at position %d", errBaseTree, at.Position), t.Close())
	}
	b.tree = t
	return t, nil
}

var errBaseTree = errors.New("the tree of the base is another one")
