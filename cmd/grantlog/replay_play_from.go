package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/replay"
)

// play shows what the log holds up to the moment of a question.
func (c *replayCmd) play(ctx context.Context, p process, from reader, q question) error {
	source, err := from.frames(ctx, q)
	if err != nil {
		return err
	}
	form := c.Out
	if form == "" {
		form = outTable
	}
	return newPlayer(p.Stdout, form, q.speed).play(ctx, source)
}

// frames of a log. No bar is drawn: the lines tell how far it is.
func (h *history) frames(_ context.Context, q question) (frames, error) {
	return func(ctx context.Context, fn func(frame) error) error {
		return replay.HistoryOf(h.log, q.at, nil).Each(ctx, func(r *replay.Record) error {
			for i := range r.Events {
				f := frame{Step: r.Step(i)}
				if d, ok := r.Events[i].Data.(*events.UsageRecorded); ok {
					f.account(d.Usage)
				}
				if err := fn(f); err != nil {
					return err
				}
			}
			return nil
		})
	}, nil
}

func (f *frame) account(usage []events.Usage) {
	for i := range usage {
		f.calls += usage[i].Admitted
		f.refused += usage[i].Refused
	}
}

// frames of a server's list: an export would be cut off while nobody reads on.
func (s *asked) frames(ctx context.Context, q question) (frames, error) {
	if err := s.login(ctx); err != nil {
		return nil, err
	}
	at, err := s.place(ctx, q)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, fn func(frame) error) error {
		query := url.Values{"before": {fmt.Sprint(at.Position + 1)}, "limit": {"200"}}
		for {
			var page listPage
			if _, err := s.get(ctx, "/oauth/events", query, &page); err != nil {
				return err
			}
			for i := range page.Events {
				if err := fn(page.Events[i].frame()); err != nil {
					return err
				}
			}
			if page.NextCursor == "" {
				return nil
			}
			query.Set("cursor", page.NextCursor)
		}
	}, nil
}

func (e *auditEntry) frame() frame {
	f := frame{Step: e.step()}
	var usage []events.Usage
	if raw, ok := e.Data["usage"]; ok && json.Unmarshal(raw, &usage) == nil {
		f.account(usage)
	}
	return f
}

func (e *auditEntry) step() replay.Step {
	return replay.Step{
		Position: e.Position, Time: e.Time, Type: e.Type, ID: e.ID, Organization: e.Organization,
		Actor: replay.Actor(e.Actor), Correlation: e.Correlation, Causation: e.Causation,
	}
}
