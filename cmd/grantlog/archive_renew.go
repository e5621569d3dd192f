package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// renew makes what the log begins with anew from its archives: where it was
// lost, or is of a version of the state that this one does not read.
func (c *archiveCmd) renew(ctx context.Context, p process) error {
	w, err := c.openRuins(ctx, p)
	if err != nil {
		return err
	}
	first, err := c.renewIn(ctx, w)
	if err = errors.Join(err, w.close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, "what the log begins with at position %d is made anew\n", first)
	return err
}

func (c *archiveCmd) renewIn(ctx context.Context, w *workshop) (first events.Position, err error) {
	if w.embedded != nil {
		if err := checkArchiving(c.Log.Data); err != nil {
			return 0, err
		}
	}
	if w.journal, err = w.site.openJournal(ctx, events.NewID("r_"), w.copies, w.log); err != nil {
		return 0, err
	}
	if first = w.journal.First(); first == 1 {
		return 0, &usageError{errors.New("the log begins with its first record: there is nothing to make anew")}
	}
	if err := w.readTree(c.Log.treeDir()); err != nil { // its name
		return 0, err
	}
	files, err := c.Archives.open(ctx, w.Master)
	if err != nil {
		return 0, err
	}
	defer files.Close()
	log, err := replay.Join(ctx, files.parts...)
	if err != nil {
		return 0, &usageError{fmt.Errorf("--archive: %w", err)}
	}
	last, err := log.Last(ctx)
	switch {
	case err != nil:
		return 0, err
	case replay.OriginOf(log) != nil:
		return 0, &usageError{fmt.Errorf("--archive: the records before position %d are missing", replay.Start(log).Position)}
	case last < first:
		return 0, &usageError{fmt.Errorf("--archive: the records from position %d to %d are missing", last+1, first)}
	}
	return first, w.renew(ctx, log, first)
}

// renew puts the base that a log comes to at a position.
func (w *workshop) renew(ctx context.Context, log replay.Log, first events.Position) (err error) {
	s := &survey{workshop: w, first: 1}
	past, err := replay.At(ctx, log, projections.New(), replay.Moment{Position: first}, w.bar.at)
	if err != nil {
		return err
	}
	s.state = past.State
	if err := s.openTree(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := log.Read(ctx, journal.Cursor{}, first, s.take); err != nil {
		return err
	}
	if s.head, err = s.tree.Head(); err != nil {
		return err
	}
	err = w.journal.Read(ctx, s.before, first, func(r *journal.Record) error {
		if r.Chain != s.state.Chain {
			return &usageError{fmt.Errorf("--archive: position %d of the log is another record than there", first)}
		}
		return nil
	})
	if err == nil {
		err = s.tree.Save()
	}
	if err == nil {
		err = s.putBase(ctx)
	}
	return err
}
