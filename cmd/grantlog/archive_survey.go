package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
	"github.com/grantlog/grantlog/replay/backup"
)

// survey is what was found of the records to archive.
type survey struct {
	*workshop
	first  events.Position // of the log
	end    journal.Cursor  // of what was verified
	state  *projections.State
	before journal.Cursor // the last archived record; set by write
	dir    string         // temporary, of the tree
	tree   *tree.Tree     // over all records up to there
	head   tree.Head      // of it; set by write
}

// at stands after the last record to archive.
func (s *survey) at() journal.Cursor {
	return journal.Cursor{Position: s.state.Position, Chain: s.state.Chain}
}

// survey verifies all of the log, and finds what is to be archived.
func (c *archiveCmd) survey(ctx context.Context, w *workshop) (_ *survey, err error) {
	m, err := parseMoment(c.Before, time.Now())
	if err != nil {
		return nil, &usageError{fmt.Errorf("--before: %w", err)}
	}
	log := w.records()
	report, err := replay.Verify(ctx, log, replay.Options{Kept: w.kept, Progress: w.bar.at})
	if err != nil {
		return nil, fmt.Errorf("the log is not whole, and nothing was archived: %w", err)
	}
	s := &survey{workshop: w, first: w.journal.First(), end: journal.Cursor{Position: report.Position, Chain: report.Chain}}
	// What is at T itself stays.
	switch {
	case m.Position > 0 && m.Position-1 <= s.first, m.Position == 0 && !m.Time.After(report.From):
		return nil, s.nothing(c.Before, report)
	case m.Position > 0:
		m.Position = min(m.Position-1, report.Position)
	default:
		m.Time = m.Time.Add(-1)
	}
	if s.state, err = replay.Begin(ctx, log); err != nil {
		return nil, err
	}
	past, err := replay.At(ctx, log, s.state, m, w.bar.at)
	switch {
	case err != nil:
		return nil, err
	case past.State.Position <= s.first:
		return nil, s.nothing(c.Before, report)
	case past.State.Position == report.Position:
		return nil, &usageError{fmt.Errorf("all of the log is before %s, and something must stay: it ends at position %d, at %s",
			c.Before, report.Position, report.Until.Format(time.RFC3339Nano))}
	}
	s.state = past.State
	return s, s.openTree(ctx)
}

func (s *survey) nothing(before string, report replay.Report) error {
	return &usageError{fmt.Errorf("there is nothing to archive before %s: the log begins at position %d, at %s",
		before, s.first, report.From.Format(time.RFC3339Nano))}
}

// openTree opens the tree over what was archived before.
func (s *survey) openTree(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "grantlog-archive-*"); err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "tree")
	if s.origin != nil {
		err = s.origin.Tree(ctx, dir)
	}
	if err == nil {
		s.tree, err = tree.Open(dir, s.name)
	}
	if err != nil {
		return errors.Join(err, s.close())
	}
	return nil
}

func (s *survey) close() error {
	var err error
	if s.tree != nil {
		err = s.tree.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// write writes the archive. On the way it completes the tree.
func (s *survey) write(ctx context.Context, out *freshFile) error {
	base, err := baseOf(ctx, s.origin)
	if err != nil {
		return err
	}
	source := backup.Source{
		Last: func(context.Context) (events.Position, error) { return s.state.Position, nil },
		Read: func(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error {
			return s.journal.Read(ctx, from, to, func(r *journal.Record) error {
				return errors.Join(s.take(r), fn(r))
			})
		},
		Base: base, Master: s.Master, Now: time.Now(),
	}
	if s.name != "" {
		signer, err := tree.NewSigner(s.name, s.Master.Derive(tree.Purpose))
		if err != nil {
			return err
		}
		source.Sign = signer.Checkpoint
	}
	m, err := backup.Take(ctx, out, source, backup.Log, s.bar.at)
	if err != nil {
		return err
	}
	if s.head, err = s.tree.Head(); err != nil {
		return err
	}
	if m.Position != s.state.Position || m.Chain != s.state.Chain || m.Root != s.head.Root {
		return errors.New("the log is another one than a moment ago")
	}
	return errors.Join(s.tree.Save(), out.keep())
}

// take looks at a record that is archived.
func (s *survey) take(r *journal.Record) error {
	at := s.tree.At()
	if r.Position <= at.Position {
		return nil // the base ends with it
	}
	if r.Position == s.state.Position {
		s.before = journal.Cursor(at)
	}
	return s.tree.Append(tree.Leaf(r.Subject, r.Payload), r.Chain)
}

// archiveFile is one that was found good.
type archiveFile struct {
	bytes int64
	sum   string
}

// check reads the archive from its file: it must come to what the log came to.
func (s *survey) check(ctx context.Context, name string) (found archiveFile, err error) {
	file, err := backup.Open(name, openerOf(s.Master))
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	log, done, err := recordsOf(ctx, file, s.Master)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, done()) }()
	report, err := replay.Verify(ctx, log, replay.Options{Kept: replay.Kept{Heads: []tree.Head{s.head}}, Progress: s.bar.at})
	if err != nil {
		return found, err
	}
	if report.Chain != s.state.Chain || report.StateHash != s.state.Hash() {
		return found, errors.New("it comes to another state than the log")
	}
	return sumOf(name)
}

func sumOf(name string) (found archiveFile, err error) {
	file, err := os.Open(name)
	if err != nil {
		return found, err
	}
	defer file.Close()
	sum := sha256.New()
	found.bytes, err = io.Copy(sum, file)
	found.sum = hex.EncodeToString(sum.Sum(nil))
	return found, err
}

// putBase puts what the log is to begin with beside it, and reads it there.
func (s *survey) putBase(ctx context.Context) error {
	key, dir := s.Master.Derive(follow.KeyPurpose), filepath.Join(s.dir, "tree")
	frozen := s.state.Freeze()
	if err := follow.PutBase(ctx, s.Conn, s.copies, s.state.Position, func(w io.Writer) error {
		return follow.WriteBase(w, key, frozen, s.before.Chain, dir)
	}); err != nil {
		return err
	}
	base, err := s.openBase(ctx, s.state.Position)
	if err != nil {
		return err
	}
	origin := replay.NewBased(base)
	defer origin.Close()
	state, err := base.State(ctx)
	if err != nil {
		return err
	}
	edge, err := origin.Edge(ctx)
	if err != nil {
		return err
	}
	head, err := edge.Head()
	if err == nil && (head != s.head || state.Hash() != frozen.Hash() || base.Previous() != s.before.Chain) {
		err = errors.New("the base is not what was put there")
	}
	return err
}
