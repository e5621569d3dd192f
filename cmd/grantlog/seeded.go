package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/grantlog/grantlog/cmd/grantlog/seedfile"
	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers"
	"github.com/grantlog/grantlog/handlers/bootstrap"
)

// seeded turns a seed file into what package bootstrap applies.
func seeded(seed *seedfile.Seed) []bootstrap.Organization {
	out := make([]bootstrap.Organization, len(seed.Organizations))
	for i, o := range seed.Organizations {
		out[i] = bootstrap.Organization{
			ID: o.ID, Name: o.Name, PartnerID: o.PartnerID, Limits: events.Limits(o.Limits),
			Scopes: seededScopes(o.Scopes), Upstreams: seededUpstreams(o.Upstreams), Services: seededServices(o.Services),
			Users:        seededUsers(o.Users),
			Applications: seededApplications(o.Applications),
		}
	}
	return out
}

func seededScopes(scopes []seedfile.Scope) []events.Scope {
	out := make([]events.Scope, len(scopes))
	for i, s := range scopes {
		out[i] = events.Scope(s)
	}
	return out
}

// seededUpstreams may be on any address: whoever writes the file chose it.
func seededUpstreams(upstreams []seedfile.Upstream) []events.Upstream {
	var out []events.Upstream
	for _, u := range upstreams {
		upstream := events.Upstream{
			Name: u.Name, URL: u.URL, Paths: u.Paths, Body: u.Body, PassToken: u.PassToken, Private: true,
		}
		for _, name := range slices.Sorted(maps.Keys(u.Headers)) {
			upstream.Headers = append(upstream.Headers, events.UpstreamHeader{Name: name, Value: u.Headers[name]})
		}
		out = append(out, upstream)
	}
	return out
}

func seededServices(services []seedfile.Service) []bootstrap.Service {
	out := make([]bootstrap.Service, len(services))
	for i, s := range services {
		out[i] = bootstrap.Service(s)
	}
	return out
}

func seededUsers(users []seedfile.User) []bootstrap.User {
	out := make([]bootstrap.User, len(users))
	for i, u := range users {
		out[i] = bootstrap.User{Email: u.Email, Password: u.Password.Reveal(), Role: u.Role, SiteID: u.SiteID}
	}
	return out
}

func seededApplications(applications []seedfile.Application) []bootstrap.Application {
	out := make([]bootstrap.Application, len(applications))
	for i, a := range applications {
		out[i] = bootstrap.Application{
			Name: a.Name, Description: a.Description, Scopes: a.Scopes,
			ClientID: a.ClientID, Secret: a.ClientSecret.Reveal(),
			TokenLifetime: a.TokenLifetime, SigningAlg: a.SigningAlg, Audience: a.Audience,
			Limits: events.Limits(a.Limits), GrantTypes: a.GrantTypes, RedirectURIs: a.RedirectURIs,
		}
	}
	return out
}

// seedProviders may be on any address, as upstreams may.
func seedProviders(ctx context.Context, server *handlers.Server, seed *seedfile.Seed) error {
	for _, o := range seed.Organizations {
		for _, p := range o.Providers {
			settings := events.ProviderSettings{
				TokenURL: p.TokenURL, RevokeURL: p.RevokeURL, ClientID: p.ClientID, Scope: p.Scope, Private: true,
			}
			if err := server.SeedProvider(ctx, o.ID, p.Name, settings, p.ClientSecret.Reveal()); err != nil {
				return fmt.Errorf("seed: organization %s: provider %s: %w", o.ID, p.Name, err)
			}
		}
	}
	return nil
}
