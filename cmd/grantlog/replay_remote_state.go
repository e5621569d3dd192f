package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// summary asks for what the log held.
func (s *asked) summary(ctx context.Context, q question) (a summaryAnswer, err error) {
	_, err = s.get(ctx, "/oauth/replay/summary", q.query(), &a)
	return a, err
}

// diff asks for what happened between two moments.
func (s *asked) diff(ctx context.Context, q question) (answer, error) {
	values := url.Values{"from": {momentText(q.at)}}
	if q.until != (replay.Moment{}) {
		values.Set("to", momentText(q.until))
	}
	a := diffAnswer{&replay.Diff{}}
	_, err := s.get(ctx, "/oauth/replay/diff", values, &a)
	return a, err
}

// application asks for an application and its live tokens.
func (s *asked) application(ctx context.Context, q question, at replay.Bound) (answer, error) {
	a := applicationAnswer{AsOf: at, Tokens: []tokenBody{}}
	path := "/oauth/applications/" + url.PathEscape(q.id)
	_, err := s.get(ctx, path, q.query(), &a.Application)
	if err == nil {
		err = s.pages(ctx, path+"/tokens", q.query(), func(p *listPage) { a.Tokens = append(a.Tokens, p.Tokens...) })
	}
	if errors.Is(err, errNotThere) {
		return nil, &notFoundError{what: q.what}
	}
	return a, err
}

// confirm asks whether tokens that came with refresh tokens are live, of which
// events tell everything but the refresh tokens themselves.
func (s *asked) confirm(ctx context.Context, q question, tokens ...*replay.Token) error {
	live := map[string]map[string]bool{} // application → jti
	for _, t := range tokens {
		if t.Family == "" {
			continue
		}
		if live[t.Application] == nil {
			found := map[string]bool{}
			err := s.pages(ctx, "/oauth/applications/"+url.PathEscape(t.Application)+"/tokens", q.query(), func(p *listPage) {
				for _, token := range p.Tokens {
					found[token.ID] = true
				}
			})
			if err != nil && !errors.Is(err, errNotThere) {
				return err
			}
			live[t.Application] = found
		}
		if live[t.Application][t.ID.String()] != (t.Status == projections.Live.String()) {
			return fmt.Errorf("the server does not show what became of the refresh tokens that token %s goes with: ask the log itself, with --data or --nats", t.ID)
		}
	}
	return nil
}

// organization asks for an organization and its applications.
func (s *asked) organization(ctx context.Context, q question, at replay.Bound) (answer, error) {
	a := organizationAnswer{AsOf: at, Applications: []clientBody{}}
	found := false
	err := s.pages(ctx, "/oauth/organizations", q.query(), func(p *listPage) {
		i := slices.IndexFunc(p.Organizations, func(o organizationBody) bool { return o.ID == q.id })
		if i >= 0 {
			a.Organization, found = p.Organizations[i], true
		}
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, &notFoundError{what: q.what}
	}
	err = s.pages(ctx, "/oauth/applications", q.query("organization", q.id), func(p *listPage) {
		for _, app := range p.Applications {
			a.Applications = append(a.Applications, clientBody{ID: app.ID, ClientID: app.ClientID, Name: app.Name})
		}
	})
	for i := range a.Applications {
		if err != nil {
			return nil, err
		}
		app := &a.Applications[i]
		err = s.pages(ctx, "/oauth/applications/"+url.PathEscape(app.ID)+"/tokens", q.query(), func(p *listPage) { app.LiveTokens += len(p.Tokens) })
		if errors.Is(err, errNotThere) {
			err = nil // deleted since it was listed: only a reading of now sees that
		}
	}
	return a, err
}
