package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
)

// openEvidence opens a log at rest or on NATS, with what a server kept outside
// of it.
func (c *verifyCmd) openEvidence(ctx context.Context, p process) (_ *evidence, err error) {
	r, err := openReading(ctx, &c.Log, &c.General, p)
	if err != nil {
		return nil, err
	}
	e := &evidence{close: r.Close}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if err := c.addArchives(ctx, e, r.Master, r.records()); err != nil {
		return nil, err
	}
	e.signer = func(origin string) (*tree.Signer, error) {
		return tree.NewSigner(origin, r.Master.Derive(tree.Purpose))
	}
	// What a server had applied is kept outside of the log: a log that ends
	// before it was shortened.
	if e.place, err = follow.Watermark(c.Log.stateDir()); err != nil {
		return nil, err
	}
	return e, e.loadTree(c.Log.treeDir())
}

// addArchives makes a log with its archives that which is verified.
func (c *verifyCmd) addArchives(ctx context.Context, e *evidence, master seal.Master, log replay.Log) error {
	files, err := c.Archives.open(ctx, master)
	if err != nil {
		return err
	}
	closeLog := e.close
	e.close = func() error { return errors.Join(files.Close(), closeLog()) }
	e.log, err = files.join(ctx, log)
	e.archives = files.files
	return err
}

// loadTree adds the tree that a server kept. One that is damaged proves
// nothing: the server would make it anew.
func (e *evidence) loadTree(dir string) (err error) {
	e.tree, err = tree.Load(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, tree.ErrDamaged):
		return nil
	case err != nil:
		return err
	}
	closeLog := e.close
	e.close = func() error { return errors.Join(e.tree.Close(), closeLog()) }
	if e.head, err = e.tree.Head(); err != nil {
		return fmt.Errorf("the tree in %s: %w", dir, err)
	}
	return nil
}
