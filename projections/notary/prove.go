package notary

import (
	"context"
	"errors"
	"fmt"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/tree"
)

// VerifierKey is what verifies the checkpoints.
func (n *Notary) VerifierKey() string { return n.cfg.Signer.VerifierKey() }

// Sign makes a checkpoint of a head.
func (n *Notary) Sign(head tree.Head) ([]byte, error) { return n.cfg.Signer.Checkpoint(head) }

// Head returns the head of a tree that has all that the replica's state shows.
func (n *Notary) Head(ctx context.Context) (tree.Head, error) {
	if err := n.reach(ctx, n.cfg.At().Position); err != nil {
		return tree.Head{}, err
	}
	return n.tree.Head()
}

// Inclusion proves that the tree of a size has the record at a position. What
// the log has not reached is tree.ErrBeyond.
func (n *Notary) Inclusion(ctx context.Context, position events.Position, size int64) (tree.Inclusion, error) {
	if position < 1 || int64(position) > size {
		return tree.Inclusion{}, tree.ErrBeyond
	}
	return from(ctx, n, size, func() (tree.Inclusion, error) { return n.tree.Inclusion(position, size) })
}

// Consistency proves that the tree of one size begins with that of another.
// What the log has not reached is tree.ErrBeyond.
func (n *Notary) Consistency(ctx context.Context, older, size int64) (tree.Consistency, error) {
	if older < 1 || older > size {
		return tree.Consistency{}, tree.ErrBeyond
	}
	return from(ctx, n, size, func() (tree.Consistency, error) { return n.tree.Consistency(older, size) })
}

// Tile returns the hashes of a tile. What the log has not reached is
// tree.ErrBeyond.
func (n *Notary) Tile(ctx context.Context, c tree.Coordinates) ([]byte, error) {
	return from(ctx, n, c.End(), func() ([]byte, error) { return n.tree.Tile(c) })
}

// from reads something that a tree of a size has. A tree whose files are
// damaged is made anew.
func from[T any](ctx context.Context, n *Notary, size int64, read func() (T, error)) (T, error) {
	var none T
	if int64(n.cfg.At().Position) < size {
		return none, tree.ErrBeyond
	}
	if err := n.reach(ctx, events.Position(size)); err != nil {
		return none, err
	}
	got, err := read()
	if errors.Is(err, tree.ErrDamaged) {
		n.mu.Lock()
		n.damaged = true
		n.mu.Unlock()
		n.log.Warn("the tree is made anew from the log", "err", err)
		n.signal()
	}
	if err != nil { // ErrBeyond too: it is being made anew just now
		return none, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return got, nil
}
