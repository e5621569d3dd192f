package projections

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Secret is one version of an application's client secret.
type Secret struct {
	Version   int                 `json:"version"` // from 1
	Digest    events.SecretDigest `json:"digest"`
	CreatedAt time.Time           `json:"createdAt"`
	EndsAt    time.Time           `json:"endsAt,omitzero"` // zero: not being replaced
}

// Live reports whether the secret, and what was minted on it, still counts.
func (s Secret) Live(now time.Time) bool { return s.EndsAt.IsZero() || now.Before(s.EndsAt) }

// Application is an OAuth client. Values are immutable: an event replaces the
// whole value, so a reader may keep the pointer.
type Application struct {
	ID           string `json:"id"`
	ClientID     string `json:"clientId"`
	Organization string `json:"organization"`
	events.ApplicationSettings
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// Created orders listings; two applications of one record differ in Ordinal.
	Created events.Position `json:"created"`
	Ordinal int             `json:"ordinal,omitempty"`
	// Revision is the last record on the subject that guards edits: the
	// expectation of a compare-and-swap. Zero before the first edit there.
	Revision events.Position `json:"revision"`
	// Secrets are the versions that may still count, oldest first; the last
	// is the current one. Empty for a public client.
	Secrets []Secret `json:"secrets,omitempty"`
	// Versions counts all secrets the application ever had.
	Versions int `json:"versions,omitempty"`
	// TokensEnded is the record that last revoked all tokens: those issued
	// at or before it are dead.
	TokensEnded events.Position `json:"tokensEnded,omitempty"`
	// Disabled: it gets no tokens until it is enabled again.
	Disabled bool `json:"disabled,omitempty"`
}

// Public reports whether the client has no secret (RFC 6749 section 2.1).
func (a *Application) Public() bool { return a.Versions == 0 }

// Secret returns a version that the log has not ended.
func (a *Application) Secret(version int) (Secret, bool) {
	for _, s := range a.Secrets {
		if s.Version == version {
			return s, true
		}
	}
	return Secret{}, false
}

// Current returns the newest secret; false for a public client.
func (a *Application) Current() (Secret, bool) {
	if len(a.Secrets) == 0 {
		return Secret{}, false
	}
	return a.Secrets[len(a.Secrets)-1], true
}

// TokenLife returns the lifetime of its access tokens.
func (a *Application) TokenLife() time.Duration {
	if a.TokenLifetime == 0 {
		return DefaultTokenLifetime
	}
	return time.Duration(a.TokenLifetime) * time.Second
}

// Alg returns the JWS algorithm that signs its access tokens.
func (a *Application) Alg() string { return cmp.Or(a.SigningAlg, "ES256") }

// MayUse reports whether the application is allowed a grant type. One that
// names none has client_credentials, if it has a secret to authenticate with.
func (a *Application) MayUse(grantType string) bool {
	if len(a.GrantTypes) == 0 {
		return grantType == "client_credentials" && !a.Public()
	}
	return slices.Contains(a.GrantTypes, grantType)
}

// DefaultTokenLifetime and MaxTokenLifetime bound access tokens. The second
// also says how long a signing key is published after its last use.
const (
	DefaultTokenLifetime = time.Hour
	MaxTokenLifetime     = 24 * time.Hour
)

// Place is where an application stands among its organization's.
func (a *Application) Place() Place { return Place{a.Organization, a.Created, a.Ordinal} }

// Applications is what the log says of OAuth clients.
type Applications struct {
	byID     map[string]*Application
	byClient map[string]*Application
	creations[*Application]
}

// Get finds an application by its id.
func (p *Applications) Get(id string) (*Application, bool) {
	a, ok := p.byID[id]
	return a, ok
}

// ByClientID finds an application by its OAuth client_id.
func (p *Applications) ByClientID(clientID string) (*Application, bool) {
	a, ok := p.byClient[clientID]
	return a, ok
}

// Len counts the applications of all organizations.
func (p *Applications) Len() int { return len(p.byID) }

func newApplications() *Applications {
	return &Applications{
		byID:      map[string]*Application{},
		byClient:  map[string]*Application{},
		creations: creations[*Application]{},
	}
}

func (p *Applications) create(at at, d *events.ApplicationCreated) {
	if _, taken := p.byID[d.ID]; taken {
		return
	}
	if _, taken := p.byClient[d.ClientID]; taken {
		return // a clientId belongs to whoever the log shows first
	}
	a := &Application{
		ID: d.ID, ClientID: d.ClientID,
		Organization:        strings.Clone(at.organization), // it is the decoder's
		ApplicationSettings: d.ApplicationSettings,
		CreatedAt:           at.time, UpdatedAt: at.time,
		Created: at.position, Ordinal: at.ordinal, Revision: at.revision(),
	}
	if d.Secret != nil {
		a.Versions = 1
		a.Secrets = []Secret{{Version: 1, Digest: *d.Secret, CreatedAt: at.time}}
	}
	p.put(a)
	p.creations.add(a)
}

// edit replaces an application's value by a changed copy. It does nothing for
// an application that the log shows deleted, or that another organization owns.
func (p *Applications) edit(at at, id string, change func(*Application)) {
	old, ok := p.byID[id]
	if !ok || old.Organization != at.organization {
		return
	}
	a := *old
	change(&a)
	a.UpdatedAt = at.time
	p.put(&a)
	p.creations.replace(&a)
}

func (p *Applications) update(at at, d *events.ApplicationUpdated) {
	p.edit(at, d.ID, func(a *Application) {
		a.ApplicationSettings = d.ApplicationSettings
		a.Revision = at.revision()
	})
}

func (p *Applications) rotate(at at, d *events.SecretRotated) {
	p.edit(at, d.ID, func(a *Application) {
		a.Versions++
		next := Secret{Version: a.Versions, Digest: *d.Secret, CreatedAt: at.time}
		if d.EndsAt.IsZero() {
			a.Secrets = []Secret{next}
			return
		}
		kept := make([]Secret, 0, len(a.Secrets)+1)
		for _, s := range a.Secrets {
			if !s.Live(at.time) {
				continue
			}
			if s.EndsAt.IsZero() || d.EndsAt.Before(s.EndsAt) {
				s.EndsAt = d.EndsAt // an overlap is shortened by a later one, never prolonged
			}
			kept = append(kept, s)
		}
		a.Secrets = append(kept, next)
	})
}

func (p *Applications) endTokens(at at, d *events.ApplicationTokensRevoked) {
	p.edit(at, d.ID, func(a *Application) { a.TokensEnded = at.position })
}

func (p *Applications) disable(at at, d *events.ApplicationDisabled) {
	p.edit(at, d.ID, func(a *Application) { a.Disabled, a.TokensEnded = true, at.position })
}

func (p *Applications) enable(at at, d *events.ApplicationEnabled) {
	p.edit(at, d.ID, func(a *Application) {
		a.Disabled = false
		a.Revision = at.revision()
	})
}

func (p *Applications) remove(at at, d *events.ApplicationDeleted) {
	a, ok := p.byID[d.ID]
	if !ok || a.Organization != at.organization {
		return
	}
	delete(p.byID, a.ID)
	delete(p.byClient, a.ClientID)
	p.creations.remove(a)
}

func (p *Applications) put(a *Application) {
	p.byID[a.ID] = a
	p.byClient[a.ClientID] = a
}
