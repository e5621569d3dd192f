package projections

import (
	"slices"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Credential is an OAuth client that gets tokens for one service and nothing
// else.
type Credential struct {
	ClientID  string              `json:"clientId"`
	Digest    events.SecretDigest `json:"digest"`
	CreatedAt time.Time           `json:"createdAt"`
	Created   events.Position     `json:"created"`
	Ordinal   int                 `json:"ordinal,omitempty"`
}

// Service is an upstream that is called by profile, environment and uuid.
// Values are immutable: an event replaces the whole value, so a reader may
// keep the pointer.
type Service struct {
	ID           string `json:"uuid"`
	Organization string `json:"organization"`
	Profile      string `json:"profile,omitempty"`
	Environment  string `json:"environment,omitempty"`
	AuthType     string `json:"authType,omitempty"` // events.AuthOAuth or AuthNone
	events.ServiceSettings
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	// Created orders listings; two services of one record differ in Ordinal.
	Created events.Position `json:"created"`
	Ordinal int             `json:"ordinal,omitempty"`
	// Revision is the last record on the subject that guards edits: the
	// expectation of a compare-and-swap.
	Revision events.Position `json:"revision,omitempty"`
	// Changed is the last record that changed the settings or the authType,
	// whatever its subject.
	Changed events.Position `json:"changed,omitempty"`
	// TokensEnded is the record that last turned authentication off: tokens
	// issued at or before it are dead.
	TokensEnded events.Position `json:"tokensEnded,omitempty"`
	Credentials []Credential    `json:"credentials,omitempty"` // in log order
	// Deleted: what is left of the service is that its uuid was used.
	Deleted bool `json:"deleted,omitempty"`
}

// Credential finds one of the service's OAuth clients.
func (s *Service) Credential(clientID string) (Credential, bool) {
	i := s.credential(clientID)
	if i < 0 {
		return Credential{}, false
	}
	return s.Credentials[i], true
}

func (s *Service) credential(clientID string) int {
	return slices.IndexFunc(s.Credentials, func(c Credential) bool { return c.ClientID == clientID })
}

// Place is where a service stands among its organization's.
func (s *Service) Place() Place { return Place{s.Organization, s.Created, s.Ordinal} }

// Services is what the log says of services and their credentials.
type Services struct {
	byID     map[string]*Service // deleted ones too: a uuid is never used again
	byClient map[string]*Service // client_id of a credential → its service
	creations[*Service]
}

// Get finds a service by its uuid.
func (p *Services) Get(uuid string) (*Service, bool) {
	s, ok := p.byID[uuid]
	if !ok || s.Deleted {
		return nil, false
	}
	return s, true
}

// Used reports whether a uuid is or was a service's, of whatever organization.
func (p *Services) Used(uuid string) bool { return p.byID[uuid] != nil }

// ByClientID finds the service of a credential.
func (p *Services) ByClientID(clientID string) (*Service, bool) {
	s, ok := p.byClient[clientID]
	return s, ok
}

// backs reports whether a token of a credential counts.
func (p *Services) backs(t *Token) bool {
	s, ok := p.Get(t.Service)
	if !ok || s.Organization != t.Organization || s.AuthType != events.AuthOAuth || t.Position <= s.TokensEnded {
		return false
	}
	c, ok := s.Credential(t.Application)
	return ok && t.Position > c.Created
}

func newServices() *Services {
	return &Services{byID: map[string]*Service{}, byClient: map[string]*Service{}, creations: creations[*Service]{}}
}
