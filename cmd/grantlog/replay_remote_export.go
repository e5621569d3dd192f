package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/replay"
)

// exported is the history of some types of events, up to a position, as the
// server exports them. What it hides counts as blank.
func (s *asked) exported(to events.Position, prefixes ...string) replay.History {
	return replay.History{Each: func(ctx context.Context, fn func(*replay.Record) error) error {
		return s.export(ctx, to, url.Values{"type": {typesOf(prefixes...)}}, func(e *auditEntry) error {
			event, err := e.event(nil)
			if err != nil {
				return fmt.Errorf("position %d: %w", e.Position, err)
			}
			return fn(&replay.Record{Position: e.Position, Events: []events.Event{event}})
		})
	}}
}

// export gives fn the events that a filter selects, up to a position.
func (s *asked) export(ctx context.Context, to events.Position, filter url.Values, fn func(*auditEntry) error) error {
	query := url.Values{"format": {"ndjson"}, "before": {fmt.Sprint(to + 1)}}
	maps.Copy(query, filter)
	resp, err := s.ask(ctx, http.MethodGet, "/oauth/events?"+query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := refusal(resp); err != nil {
		return err
	}
	dec := json.NewDecoder(bufio.NewReaderSize(resp.Body, 1<<16))
	for {
		var e auditEntry
		switch err := dec.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the server broke off: %w", err)
		}
		if err := fn(&e); err != nil {
			return err
		}
	}
}
