package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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

// openHistory opens a log at rest or on NATS. Before it touches a directory it
// makes sure that a log and its key are there.
func (c *replayCmd) openHistory(ctx context.Context, p process) (*history, func() error, error) {
	atRest := len(c.Log.NATS) == 0
	if atRest && c.Log.Data != "" {
		if found, _ := filepath.Glob(filepath.Join(storeDir(c.Log.Data), "*", "streams", journal.StreamName)); len(found) == 0 {
			return nil, nil, &usageError{fmt.Errorf("there is no log in %s", c.Log.Data)}
		}
		if _, err := loadMaster(&c.Log); err != nil {
			return nil, nil, err
		}
	}
	read := p
	if atRest && slog.Level(c.General.LogLevel) > slog.LevelDebug {
		read.Stderr = io.Discard // what goes wrong is told at the end, once
	}
	j, done, err := openLog(ctx, &c.Log, &c.General, read)
	var inUse *inUseError
	if errors.As(err, &inUse) && inUse.URL != "" {
		err = fmt.Errorf("%w (replay --url %s --admin-file %s)", err, inUse.URL, filepath.Join(inUse.Dir, "admin.json"))
	}
	if err != nil {
		return nil, nil, err
	}
	h := &history{log: j, bar: newProgressBar(p.Stderr)}
	if atRest {
		if err := c.checkEnd(ctx, j); err != nil {
			return nil, done, err
		}
		if !c.FromStart && !c.StateHash {
			h.past, err = c.openPast(newLogger(read.Stderr, c.General.LogLevel, c.General.LogFormat))
		}
	}
	return h, done, err
}

// openPast lists the states that the directory's server kept.
func (c *replayCmd) openPast(log *slog.Logger) (*follow.History, error) {
	master, err := loadMaster(&c.Log)
	if err != nil {
		return nil, err
	}
	return follow.ReadHistory(c.Log.stateDir(), master.Derive(follow.KeyPurpose), log)
}

// checkEnd refuses a log that lacks records which a server had applied.
func (c *replayCmd) checkEnd(ctx context.Context, j *journal.Journal) error {
	known, err := follow.Watermark(c.Log.stateDir())
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
	return lineageAnswerOf(q, l, ok, err)
}

func (h *history) impact(ctx context.Context, q question) (answer, error) {
	m, err := replay.FindImpact(ctx, replay.HistoryOf(h.log, q.at, h.bar.at), q.suspect, q.judged(q.at.Time))
	return impactAnswerOf(q, m, err)
}
