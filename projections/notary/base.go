package notary

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
)

// withBase gives use the tree over what was archived of the log. Its files are
// gone afterwards. archived is why it is needed, and what is returned where
// there is none.
func (n *Notary) withBase(ctx context.Context, archived error, use func(base *tree.Tree, dir string) error) error {
	if n.cfg.Base == nil {
		return archived
	}
	dir := n.cfg.Dir + ".base"
	if err := os.RemoveAll(dir); err != nil { // of one that was killed
		return err
	}
	defer os.RemoveAll(dir)
	if err := n.cfg.Base(ctx, dir); err != nil {
		return err
	}
	base, err := tree.Load(dir)
	if err != nil {
		return err
	}
	return errors.Join(use(base, dir), base.Close())
}

// adopt makes the tree that of the base, which must begin with it.
func (n *Notary) adopt(ctx context.Context, archived error) error {
	return n.withBase(ctx, archived, func(base *tree.Tree, dir string) error {
		former, err := n.tree.Head()
		if err == nil {
			err = beginsWith(base, former)
		}
		if err != nil {
			return err
		}
		n.log.Info("the tree over the log begins with what was archived", "position", base.At().Position)
		return n.tree.Adopt(dir)
	})
}

// beginsWith makes sure that a tree begins with what a head stands for.
func beginsWith(t *tree.Tree, former tree.Head) error {
	if former.Size == 0 {
		return nil
	}
	p, err := t.Consistency(former.Size, int64(t.At().Position))
	if err == nil && p.From != former {
		err = fmt.Errorf("%w before position %d", ErrForked, former.Size)
	}
	return err
}

// same makes sure that the log has the records that a head stands for.
func (n *Notary) same(ctx context.Context, former tree.Head) error {
	var edge tree.Edge
	err := n.appendTo(ctx, &edge, journal.Cursor{}, former)
	var archived *journal.ArchivedError
	if !errors.As(err, &archived) {
		return err
	}
	return n.withBase(ctx, archived, func(base *tree.Tree, _ string) error {
		at := journal.Cursor(base.At())
		if former.Size <= int64(at.Position) {
			return beginsWith(base, former)
		}
		edge := base.Edge()
		return n.appendTo(ctx, &edge, at, former)
	})
}

// appendTo reads the log up to a head and compares.
func (n *Notary) appendTo(ctx context.Context, edge *tree.Edge, from journal.Cursor, former tree.Head) error {
	if err := n.cfg.Read(ctx, from, events.Position(former.Size), func(r *journal.Record) error {
		return edge.Append(tree.Leaf(r.Subject, r.Payload))
	}); err != nil {
		return err
	}
	head, err := edge.Head()
	if err == nil && head != former {
		err = fmt.Errorf("%w before position %d", ErrForked, former.Size)
	}
	return err
}
