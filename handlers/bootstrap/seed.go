package bootstrap

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/projections"
)

// Organization is a tenant as a seed file gives it. Empty values of one that
// exists stay as they are.
type Organization struct {
	ID        string
	Name      string
	PartnerID string
	Limits    events.Limits
	Scopes    []events.Scope
	// Upstreams are all that there are: they come from the file alone, so one
	// that is taken out of it is gone.
	Upstreams    []events.Upstream
	Services     []Service
	Users        []User
	Applications []Application
}

// Application is an OAuth client as a seed file gives it. It is known by its
// ClientID or, without one, by its Name; empty values of one that exists stay
// as they are.
type Application struct {
	Name          string
	Description   string
	Scopes        []string
	ClientID      string
	Secret        string // must not be printed; empty: a public client
	TokenLifetime int    // seconds
	SigningAlg    string
	Audience      string
	Limits        events.Limits
	GrantTypes    []string
	RedirectURIs  []string
}

// Seed makes the log show what the seed says and appends nothing where it
// already does. It never takes back what was ended since: a rotated secret
// stays rotated, a deleted application deleted; it only tells the log file.
func Seed(ctx context.Context, c Config, organizations []Organization) error {
	run := seeding{Config: c, meta: emit.Meta{Correlation: events.NewID("seed_")}}
	for _, o := range organizations {
		if err := run.organization(ctx, o); err != nil {
			return fmt.Errorf("seed: organization %s: %w", o.ID, err)
		}
		if err := run.upstreams(ctx, o); err != nil {
			return fmt.Errorf("seed: organization %s: %w", o.ID, err)
		}
		for _, s := range o.Services {
			if err := run.service(ctx, o.ID, s); err != nil {
				return fmt.Errorf("seed: organization %s: service %s: %w", o.ID, s.UUID, err)
			}
		}
		for i, u := range o.Users {
			if err := run.user(ctx, o.ID, u); err != nil {
				return fmt.Errorf("seed: organization %s: user %d: %w", o.ID, i+1, err)
			}
		}
		for _, a := range o.Applications {
			if err := run.application(ctx, o.ID, a); err != nil {
				return fmt.Errorf("seed: organization %s: application %q: %w", o.ID, a.Name, err)
			}
		}
	}
	c.Log.Info("the seed is in place", "organizations", len(organizations), "changes", run.changes)
	return nil
}

type seeding struct {
	Config
	meta    emit.Meta
	changes int
}

// ensure appends a decision unless there is nothing to decide.
func (r *seeding) ensure(ctx context.Context, decide func(*projections.State) (command.Decision, error)) error {
	_, err := r.Emit.Do(ctx, r.meta, func(s *projections.State, _ time.Time) (command.Decision, error) { return decide(s) })
	if err == nil {
		r.changes++
	}
	if errors.Is(err, command.ErrUnchanged) {
		return nil
	}
	return err
}

func (r *seeding) organization(ctx context.Context, o Organization) error {
	return r.ensure(ctx, func(s *projections.State) (command.Decision, error) {
		return command.EnsureOrganization(s, command.NewOrganization{
			ID: o.ID, Name: o.Name, PartnerID: o.PartnerID, Limits: o.Limits, Scopes: o.Scopes,
		})
	})
}

func (r *seeding) upstreams(ctx context.Context, o Organization) error {
	return r.ensure(ctx, func(s *projections.State) (command.Decision, error) {
		return command.EnsureUpstreams(s, o.ID, o.Upstreams)
	})
}

func (r *seeding) application(ctx context.Context, organization string, a Application) error {
	id, clientID := identify(organization, a)
	in := command.NewApplication{
		Target:   command.Target{Organization: organization, ID: id, Held: []string{command.ScopeAdmin}},
		ClientID: clientID,
		Settings: a.settings(),
	}
	if a.Secret != "" {
		digest := r.Hash(a.Secret)
		in.Secret = &digest
	}
	err := r.ensure(ctx, func(s *projections.State) (command.Decision, error) { return command.EnsureApplication(s, in) })
	found, current := r.look(in)
	switch {
	case found == nil && errors.Is(err, emit.ErrContended):
		// Its id is derived, so its subject holds the creation of the former.
		r.Log.Warn("a seeded application was deleted and stays so; give it another clientId or name", "organization", organization, "clientId", clientID)
		return nil
	case err != nil:
		return err
	case found == nil || found.Organization != organization:
		return &command.Error{Kind: command.KindConflict, Message: "That clientId is in use by another organization"}
	case !current:
		r.Log.Warn("the seed's secret of an application was rotated since and is not set again", "organization", organization, "clientId", clientID)
	}
	return nil
}

// look finds a seeded application, and says whether the secret it was seeded
// with, if any, is its current one.
func (r *seeding) look(in command.NewApplication) (found *projections.Application, current bool) {
	r.Emit.View(func(s *projections.State) { found, _ = s.Applications.ByClientID(in.ClientID) })
	if found == nil || in.Secret == nil {
		return found, true
	}
	secret, ok := found.Current()
	return found, ok && secret.Digest == *in.Secret
}

// identify derives an application's id, and its clientId if it has none, from
// what the seed knows it by: every replica and every start comes to the same,
// and the id of a deleted one is never used again.
func identify(organization string, a Application) (id, clientID string) {
	if a.ClientID != "" {
		return "a_" + derive(26, "application", organization, "client", a.ClientID), a.ClientID
	}
	return "a_" + derive(26, "application", organization, "name", a.Name),
		"app_" + derive(16, "client", organization, "name", a.Name)
}

func derive(length int, parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return base32.StdEncoding.EncodeToString(h.Sum(nil))[:length]
}

func (a Application) settings() command.Settings {
	return command.Settings{
		Name: given(a.Name), Description: given(a.Description), Scopes: a.Scopes,
		TokenLifetime: given(a.TokenLifetime), SigningAlg: given(a.SigningAlg), Audience: given(a.Audience),
		Limits: given(a.Limits), GrantTypes: a.GrantTypes, RedirectURIs: a.RedirectURIs,
	}
}

// given makes a value that is not its type's zero a choice.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
