package main

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/grantlog/grantlog/replay"
)

// application asks for an application and its live tokens.
func (s *asked) application(ctx context.Context, q question, at replay.Bound) (answer, error) {
	a := applicationAnswer{AsOf: at, Tokens: []tokenBody{}}
	path := "/oauth/applications/" + url.PathEscape(q.id)
	_, err := s.get(ctx, path, q.query(), &a.Application)
	if err == nil {
		err = s.pages(ctx, path+"/tokens", q.query(), func(p *listPage) { a.Tokens = append(a.Tokens, p.Tokens...) })
	}
	if errors.Is(err, errNotThere) {
		return nil, &notFoundError{q.what}
	}
	return a, err
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
		return nil, &notFoundError{q.what}
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
