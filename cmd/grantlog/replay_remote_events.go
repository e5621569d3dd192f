package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/replay"
)

// ancestry gathers what a token may have come from, and what may have ended
// it, up to a position.
func (s *asked) ancestry(ctx context.Context, id events.TokenID, to events.Position) (replay.History, error) {
	g := gathering{asked: s, to: to}
	if err := g.list(ctx, "token", id.String()); err != nil {
		return replay.History{}, err
	}
	for _, e := range g.entries {
		if d := e.issued(); d != nil {
			if err := g.parents(ctx, e, d, true); err != nil {
				return replay.History{}, err
			}
			break
		}
	}
	return g.history()
}

// suspicious gathers what a suspect led to.
func (s *asked) suspicious(ctx context.Context, suspect replay.Suspect, to events.Position) (replay.History, error) {
	g := gathering{asked: s, to: to}
	var err error
	switch {
	case suspect.User != "":
		err = g.list(ctx, "user", suspect.User, "type", typesOf("token.issued", "user."))
	case suspect.Key != "":
		err = g.signedBy(ctx, suspect.Key)
	default:
		var application string
		if application, err = g.named(ctx, suspect.Application); err == nil {
			err = g.list(ctx, "application", application, "type", typesOf("token.", "application."))
		}
		if err == nil {
			err = g.list(ctx, "type", typesOf("service.", "usage."))
		}
	}
	seen := map[string]bool{}
	for _, e := range slices.Clone(g.entries) {
		d := e.issued()
		if err != nil || d == nil || seen[d.Application+" "+d.User] {
			continue
		}
		seen[d.Application+" "+d.User] = true
		err = g.parents(ctx, e, d, false)
	}
	if err != nil {
		return replay.History{}, err
	}
	return g.history()
}

// named returns the id of the application that a client_id is of; anything else
// as it is.
func (g *gathering) named(ctx context.Context, name string) (string, error) {
	made := gathering{asked: g.asked, to: g.to}
	err := made.list(ctx, "type", typesOf("application.created"))
	for _, e := range made.entries {
		if text(e.Data["clientId"]) == name {
			return text(e.Data["id"]), err
		}
	}
	return name, err
}

// signedBy adds a key and the tokens that it signed, for which the server has no
// filter.
func (g *gathering) signedBy(ctx context.Context, key string) error {
	if err := g.list(ctx, "type", typesOf("key.", "token.issued")); err != nil {
		return err
	}
	g.entries = slices.DeleteFunc(g.entries, func(e auditEntry) bool { return e.issued() != nil && text(e.Data["key"]) != key })
	return nil
}

// gathering collects events of a server's audit lists.
type gathering struct {
	*asked
	to      events.Position
	entries []auditEntry
}

// list adds the events that a filter of name and value pairs selects.
func (g *gathering) list(ctx context.Context, filter ...string) error {
	query := url.Values{"before": {fmt.Sprint(g.to + 1)}}
	for i := 0; i < len(filter); i += 2 {
		query.Set(filter[i], filter[i+1])
	}
	return g.pages(ctx, "/oauth/events", query, func(p *listPage) { g.entries = append(g.entries, p.Events...) })
}

// parents adds the events of what a token depends on.
func (g *gathering) parents(ctx context.Context, e auditEntry, d *issuedBody, keys bool) error {
	filters := [][]string{{"application", d.Application, "type", typesOf("application.", "token.revoked")}}
	if d.User != "" {
		// Without digests, what was presented says nothing; an ending by reuse
		// has an event of its own.
		filters = append(filters, []string{"user", d.User, "type", typesOf("user.", "refresh.issued", "refresh.family_ended")})
	}
	if d.Service != "" {
		filters = append(filters, []string{"organization", e.Organization, "type", typesOf("service.")})
	}
	if keys {
		filters = append(filters, []string{"type", typesOf("key.")})
	}
	for _, filter := range filters {
		if err := g.list(ctx, filter...); err != nil {
			return err
		}
	}
	return nil
}

// typesOf lists the event types that begin with one of the prefixes.
func typesOf(prefixes ...string) string {
	var names []string
	for _, t := range events.Types() {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(string(t), p) }) {
			names = append(names, string(t))
		}
	}
	return strings.Join(names, ",")
}

// rank orders the events of a page: a token stands behind what it goes with.
func (e *auditEntry) rank() int {
	if e.issued() != nil {
		return 1
	}
	return 0
}

// history puts the events in the order of the log, each once.
func (g *gathering) history() (replay.History, error) {
	slices.SortStableFunc(g.entries, func(a, b auditEntry) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.rank(), b.rank()))
	})
	seen, confidential := map[string]bool{}, g.confidential()
	var records []*replay.Record
	for _, e := range g.entries {
		if seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		event, err := e.event(confidential)
		if err != nil {
			return replay.History{}, fmt.Errorf("position %d: %w", e.Position, err)
		}
		if n := len(records); n == 0 || records[n-1].Position != e.Position {
			records = append(records, &replay.Record{Position: e.Position})
		}
		last := records[len(records)-1]
		last.Events = append(last.Events, event)
	}
	return replay.History{Each: func(_ context.Context, fn func(*replay.Record) error) error {
		for _, r := range records {
			if err := fn(r); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}
