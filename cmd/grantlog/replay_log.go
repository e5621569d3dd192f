package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
)

// history answers from a log.
type history struct {
	log  replay.Log
	past *follow.History // nil: everything is folded from the first record
	bar  *progressBar
}

// openHistory opens a log at rest or where servers run. Before it touches a directory it
// makes sure that a log and its key are there.
func (c *replayCmd) openHistory(ctx context.Context, p process) (*history, func() error, error) {
	r, err := openQuietly(ctx, &c.Log, &c.General, p, "replay")
	if err != nil {
		return nil, nil, err
	}
	files, err := c.Archives.open(ctx, r.Master)
	if err != nil {
		return nil, r.Close, err
	}
	done := func() error { return errors.Join(files.Close(), r.Close()) }
	h := &history{bar: newProgressBar(p.Stderr)}
	if h.log, err = files.join(ctx, r.records()); err != nil {
		return nil, done, err
	}
	if !c.Log.live() && !c.FromStart && !c.StateHash {
		h.past, err = follow.ReadHistory(c.Log.stateDir(), r.Master.Derive(follow.KeyPurpose), r.log)
	}
	return h, done, err
}

// openQuietly opens a log to read it for a command, in whose name a running
// server's directory is refused. A log at rest must be as long as a server knew
// it.
func openQuietly(ctx context.Context, c *placeSettings, g *general, p process, command string) (*reading, error) {
	atRest := !c.live()
	if atRest && c.Data != "" {
		if _, err := os.ReadDir(storeDir(c.Data)); errors.Is(err, fs.ErrPermission) {
			return nil, &usageError{fmt.Errorf("data directory: %w", err)}
		}
		if !holdsLog(c.Data) {
			return nil, &usageError{fmt.Errorf("there is no log in %s", c.Data)}
		}
		if _, err := loadMaster(&c.logSettings); err != nil {
			return nil, err
		}
	}
	if atRest && slog.Level(g.LogLevel) > slog.LevelDebug {
		p.Stderr = io.Discard // what goes wrong is told at the end, once
	}
	r, err := openReading(ctx, c, g, p)
	var inUse *inUseError
	if errors.As(err, &inUse) && inUse.URL != "" {
		err = fmt.Errorf("%w (%s --url %s --admin-file %s)", err, command, inUse.URL, filepath.Join(inUse.Dir, "admin.json"))
	}
	if err == nil && atRest {
		if err = checkEnd(ctx, &c.logSettings, r.journal); err != nil {
			err = errors.Join(err, r.Close())
		}
	}
	return r, err
}

// holdsLog reports whether a data directory has the log of an embedded NATS.
func holdsLog(data string) bool {
	found, _ := filepath.Glob(filepath.Join(storeDir(data), "*", "streams", journal.StreamName+"*")) // also while it is rolled over
	return len(found) > 0
}

// checkEnd refuses a log that lacks records which a server had applied.
func checkEnd(ctx context.Context, c *logSettings, j *journal.Journal) error {
	known, err := follow.Watermark(c.stateDir())
	if err != nil {
		return err
	}
	last, err := j.Last(ctx)
	if err == nil && last < known.Position {
		err = &replay.MismatchError{Position: known.Position, Reason: fmt.Sprintf("the log ends at %d", last)}
	}
	return err
}

func (h *history) answer(ctx context.Context, q question) (answer, error) {
	defer h.bar.clear()
	switch q.topic {
	case aboutToken, aboutLineage:
		return h.lineage(ctx, q)
	case aboutImpact:
		return h.impact(ctx, q)
	case aboutWhatIf:
		return h.whatIf(ctx, q)
	case aboutDiff:
		d, err := replay.FindDiff(ctx, h.log, h.past, q.at, q.until, h.bar.at)
		return diffAnswer{d}, err
	}
	past, err := replay.Near(ctx, h.log, h.past, q.at, h.bar.at)
	if err != nil {
		return nil, err
	}
	s := past.State
	view := stateView{s, replay.Bound{Position: s.Position, Time: q.judged(s.Time)}}
	switch q.topic {
	case aboutApplication:
		return view.application(q)
	case aboutOrganization:
		return view.organization(q)
	case aboutHash:
		return hashAnswer{AsOf: view.at, StateHash: replay.HashText(s)}, nil
	}
	return summaryAnswer{replay.Summarize(s, view.at)}, nil
}

func (h *history) lineage(ctx context.Context, q question) (answer, error) {
	l, ok, err := replay.FindLineage(ctx, replay.HistoryOf(h.log, q.at, h.bar.at), q.token, q.judged(q.at.Time))
	a, err := lineageAnswerOf(q, l, ok, err)
	return a, h.hint(err)
}

func (h *history) impact(ctx context.Context, q question) (answer, error) {
	m, err := replay.FindImpact(ctx, replay.HistoryOf(h.log, q.at, h.bar.at), q.suspect, q.judged(q.at.Time))
	a, err := impactAnswerOf(q, m, err)
	return a, h.hint(err)
}

// hint adds to what was not found that more was archived.
func (h *history) hint(err error) error {
	var missing *notFoundError
	if errors.As(err, &missing) {
		missing.before = replay.Start(h.log).Position
	}
	return err
}
