package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// parseWhatIf reads assumptions: SETTING=VALUE each.
func (q *question) parseWhatIf(settings []string) error {
	q.topic, q.what = aboutWhatIf, "usage"
	for _, text := range settings {
		name, value, _ := strings.Cut(text, "=")
		var err error
		switch name {
		case "tokenLifetime":
			err = q.assumeLifetime(value)
		case "limit.perMinute":
			err = assumeLimit(&q.assumed.PerMinute, value)
		case "limit.perHour":
			err = assumeLimit(&q.assumed.PerHour, value)
		default:
			err = errors.New("is not one of tokenLifetime=TIME, limit.perMinute=N, limit.perHour=N")
		}
		if err != nil {
			return fmt.Errorf("%.80q %w", text, err)
		}
	}
	return nil
}

var errTwice = errors.New("is given twice")

func (q *question) assumeLifetime(text string) error {
	life, err := time.ParseDuration(text)
	switch {
	case err != nil || life < time.Second || life > projections.MaxTokenLifetime || life%time.Second != 0:
		return errors.New("is not a time such as 300s or 5m, of whole seconds up to 24h")
	case q.assumed.TokenLifetime != 0:
		return errTwice
	}
	q.assumed.TokenLifetime = life
	return nil
}

func assumeLimit(limit *int, text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	switch {
	case err != nil || n == 0:
		return errors.New("is not a number of calls, from 1")
	case *limit != 0:
		return errTwice
	}
	*limit = int(n)
	return nil
}

type whatIfAnswer struct{ *replay.WhatIf }

func (h *history) whatIf(ctx context.Context, q question) (answer, error) {
	found, err := replay.FindWhatIf(ctx, replay.HistoryOf(h.log, q.at, h.bar.at), q.assumed, q.judged(q.at.Time))
	return whatIfAnswer{found}, err
}

// whatIf works it out from the events of an export.
func (s *asked) whatIf(ctx context.Context, q question, at replay.Bound) (answer, error) {
	found, err := replay.FindWhatIf(ctx, s.exported(at.Position, "token.issued", "usage.", "application.created", "application.updated"), q.assumed, at.Time)
	if err != nil {
		return nil, err
	}
	found.AsOf = at
	return whatIfAnswer{found}, nil
}

func (a whatIfAnswer) print(w io.Writer, form outForm) error {
	lines := func(line func(string, any)) {
		for _, c := range a.Clients {
			line("application", c)
		}
		summary := map[string]any{"asOf": a.AsOf, "assumption": a.Assumption, "resolution": a.Resolution, "affected": a.Affected}
		if a.Begins != nil {
			summary["begins"] = a.Begins
		}
		line("summary", summary)
	}
	return printAs(w, form, a, lines, func(t *tables) {
		t.asOf(a.AsOf)
		t.begins(a.Begins)
		if a.Assumption.TokenLifetime > 0 {
			t.row("token lifetime", a.Assumption.TokenLifetime)
		}
		for _, limit := range []struct {
			unit string
			n    int
		}{{"minute", a.Assumption.PerMinute}, {"hour", a.Assumption.PerHour}} {
			if limit.n > 0 {
				t.row("limit", fmt.Sprintf("%d per %s", limit.n, limit.unit))
			}
		}
		t.row("affected", fmt.Sprintf("%d of %d applications", a.Affected, len(a.Clients)))
		if len(a.Clients) > 0 {
			t.head("ORGANIZATION", "APPLICATION", "NAME", "TOKENS", "EXPIRED AT LAST USE", "CALLS", "WITHOUT TOKEN", "PERHAPS", "OVER LIMIT", "PEAK/MIN", "PEAK/HOUR", "FIRST", "LAST")
		}
		for _, c := range a.Clients {
			t.row(c.Organization, c.Application, c.Name, c.Tokens, c.ExpiredAtUse, c.Admitted, c.Certain, c.Possible, c.OverLimit, c.PeakMinute, c.PeakHour, c.First, c.Last)
		}
		for _, note := range a.Resolution {
			t.note(note)
		}
	})
}

// note writes a paragraph.
func (t *tables) note(text string) {
	fmt.Fprintln(t.w)
	t.w.Flush() // its lines are no rows
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > noteWidth {
			fmt.Fprintln(t.w, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	fmt.Fprintln(t.w, line)
}

const noteWidth = 100 // characters
