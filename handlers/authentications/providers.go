package authentications

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/projections"
)

func (e *Endpoint) mountProviders(g *echo.Group) {
	read, write := e.Authn.Require(scopeRead, scopeWrite), e.Authn.Require(scopeWrite)
	g.GET("/oauth/providers", e.listProviders, read)
	g.GET("/oauth/providers/:name", e.getProvider, read)
	g.PUT("/oauth/providers/:name", e.setProvider, write)
	g.DELETE("/oauth/providers/:name", e.removeProvider, write)
}

// provider is the resource; its secret is never shown.
type provider struct {
	Name         string `json:"name"`
	TokenURL     string `json:"tokenUrl"`
	RevokeURL    string `json:"revokeUrl,omitempty"`
	ClientID     string `json:"clientId,omitempty"`
	HasSecret    bool   `json:"hasSecret"`
	Scope        string `json:"scope,omitempty"`
	Organization string `json:"organizationId"`
}

func shownProvider(p *projections.Provider) provider {
	return provider{
		Name: p.Name, TokenURL: p.TokenURL, RevokeURL: p.RevokeURL, ClientID: p.ClientID, Scope: p.Scope,
		HasSecret: len(p.Secret) > 0, Organization: p.Organization,
	}
}

func (e *Endpoint) listProviders(c echo.Context) error {
	organization, err := e.organization(c)
	if err != nil {
		return err
	}
	answer := struct {
		Providers []provider `json:"providers"`
	}{[]provider{}}
	e.Emit.View(func(s *projections.State) {
		for _, p := range s.Connections.Providers(organization) {
			answer.Providers = append(answer.Providers, shownProvider(p))
		}
	})
	return manage.JSON(c, http.StatusOK, answer)
}

func (e *Endpoint) getProvider(c echo.Context) error {
	organization, err := e.organization(c)
	if err != nil {
		return err
	}
	return e.showProvider(c, organization)
}

func (e *Endpoint) showProvider(c echo.Context, organization string) error {
	var p *projections.Provider
	ok := false
	e.Emit.View(func(s *projections.State) { p, ok = s.Connections.Provider(organization, c.Param("name")) })
	if !ok {
		return command.ErrNotFound
	}
	return manage.JSON(c, http.StatusOK, shownProvider(p))
}

// newProvider is the body of a PUT. Without a clientSecret the one that is
// there stays; an empty one is taken away.
type newProvider struct {
	TokenURL     string  `json:"tokenUrl"`
	RevokeURL    string  `json:"revokeUrl"`
	ClientID     string  `json:"clientId"`
	ClientSecret *string `json:"clientSecret"`
	Scope        string  `json:"scope"`
}

func (e *Endpoint) setProvider(c echo.Context) error {
	organization, err := e.organization(c)
	if err != nil {
		return err
	}
	var in newProvider
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	name := c.Param("name")
	secret, err := e.sealSecret(organization, name, in.ClientSecret)
	if err != nil {
		return err
	}
	settings := events.ProviderSettings{TokenURL: in.TokenURL, RevokeURL: in.RevokeURL, ClientID: in.ClientID, Scope: in.Scope}
	if err := manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.SetProvider(s, organization, name, settings, secret)
	}); err != nil {
		return err
	}
	return e.showProvider(c, organization)
}

// sealSecret closes a client secret; nil for none given, empty for none.
func (e *Endpoint) sealSecret(organization, name string, secret *string) ([]byte, error) {
	if secret == nil {
		return nil, nil
	}
	if *secret == "" {
		return []byte{}, nil
	}
	return e.Sealers.Seal(providerRecord(&projections.Provider{Organization: organization, Name: name}), []byte(*secret))
}

func (e *Endpoint) removeProvider(c echo.Context) error {
	organization, err := e.organization(c)
	if err != nil {
		return err
	}
	if err := manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.RemoveProvider(s, organization, c.Param("name"))
	}); err != nil {
		return err
	}
	return manage.NoContent(c)
}

// Seed makes the log show a provider of the seed file; it appends nothing where
// it already does. Secrets are compared in the clear, for sealing the same one
// twice gives different bytes.
func (e *Endpoint) Seed(ctx context.Context, organization, name string, settings events.ProviderSettings, secret string) error {
	var current *projections.Provider
	known := false
	e.Emit.View(func(s *projections.State) { current, known = s.Connections.Provider(organization, name) })
	if known && current.ProviderSettings == settings {
		if former, err := e.safe.secret(current); err == nil && former == secret {
			return nil
		}
	}
	sealed, err := e.sealSecret(organization, name, &secret)
	if err != nil {
		return err
	}
	_, err = e.Emit.Do(ctx, emit.Meta{Correlation: events.NewID("seed_")}, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.SetProvider(s, organization, name, settings, sealed)
	})
	if errors.Is(err, emit.ErrContended) {
		return nil // another replica seeds the same
	}
	return err
}
