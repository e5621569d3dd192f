package projections

import (
	"cmp"
	"slices"
	"strings"
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

// Services is what the log says of services and their credentials.
type Services struct {
	byID     map[string]*Service // deleted ones too: a uuid is never used again
	byClient map[string]*Service // client_id of a credential → its service
	listed   map[string][]*Service
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

// After lists an organization's services in order of creation, from the first
// one created after (position, ordinal). The slice must not be changed and is
// valid as long as the state is not applied to.
func (p *Services) After(organization string, created events.Position, ordinal int) []*Service {
	all := p.listed[organization]
	i, found := slices.BinarySearchFunc(all, &Service{Created: created, Ordinal: ordinal}, compareServiceCreation)
	if found {
		i++
	}
	return all[i:]
}

func compareServiceCreation(a, b *Service) int {
	return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.Ordinal, b.Ordinal))
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
	return &Services{byID: map[string]*Service{}, byClient: map[string]*Service{}, listed: map[string][]*Service{}}
}

func (p *Services) create(at at, d *events.ServiceCreated) {
	if p.Used(d.ID) {
		return // a uuid belongs to whoever the log shows first
	}
	s := &Service{
		ID: d.ID, Organization: strings.Clone(at.organization), // it is the decoder's
		Profile: d.Profile, Environment: d.Environment, AuthType: d.AuthType, ServiceSettings: d.ServiceSettings,
		CreatedAt: at.time, UpdatedAt: at.time,
		Created: at.position, Ordinal: at.ordinal, Revision: at.revision(), Changed: at.position,
	}
	p.byID[s.ID] = s
	p.listed[s.Organization] = append(p.listed[s.Organization], s)
}

// edit replaces a service's value by a changed copy. It does nothing for one
// that the log shows deleted, or that another organization owns.
func (p *Services) edit(at at, id string, change func(*Service)) {
	old, ok := p.Get(id)
	if !ok || old.Organization != at.organization {
		return
	}
	s := *old
	change(&s)
	p.put(&s)
	list, i := p.find(old)
	list[i] = &s
}

// put makes a value the one that its uuid and its credentials lead to.
func (p *Services) put(s *Service) {
	p.byID[s.ID] = s
	for i := range s.Credentials {
		p.byClient[s.Credentials[i].ClientID] = s
	}
}

// find says where a service stands in its organization's listing.
func (p *Services) find(s *Service) (list []*Service, i int) {
	list = p.listed[s.Organization]
	i, _ = slices.BinarySearchFunc(list, s, compareServiceCreation)
	return list, i
}

func (s *Service) changed(at at) { s.Changed, s.UpdatedAt = at.position, at.time }

func (p *Services) update(at at, d *events.ServiceUpdated) {
	p.edit(at, d.ID, func(s *Service) {
		s.ServiceSettings, s.Revision = d.ServiceSettings, at.revision()
		s.changed(at)
	})
}

func (p *Services) enableAuth(at at, d *events.ServiceAuthEnabled) {
	p.edit(at, d.ID, func(s *Service) {
		s.AuthType, s.Revision = events.AuthOAuth, at.revision()
		s.changed(at)
	})
}

func (p *Services) disableAuth(at at, d *events.ServiceAuthDisabled) {
	p.edit(at, d.ID, func(s *Service) {
		s.AuthType, s.TokensEnded = events.AuthNone, at.position
		s.changed(at)
	})
}

func (p *Services) addCredential(at at, d *events.ServiceCredentialAdded) {
	p.edit(at, d.ID, func(s *Service) {
		s.Revision = at.revision()
		if _, taken := p.byClient[d.ClientID]; taken {
			return
		}
		s.Credentials = append(slices.Clip(s.Credentials), Credential{
			ClientID: d.ClientID, Digest: *d.Secret, CreatedAt: at.time, Created: at.position, Ordinal: at.ordinal,
		})
	})
}

func (p *Services) removeCredential(at at, d *events.ServiceCredentialRemoved) {
	p.edit(at, d.ID, func(s *Service) {
		if i := s.credential(d.ClientID); i >= 0 {
			s.Credentials = slices.Delete(slices.Clone(s.Credentials), i, i+1)
			delete(p.byClient, d.ClientID)
		}
	})
}

func (p *Services) remove(at at, d *events.ServiceDeleted) {
	s, ok := p.Get(d.ID)
	if !ok || s.Organization != at.organization {
		return
	}
	for _, c := range s.Credentials {
		delete(p.byClient, c.ClientID)
	}
	list, i := p.find(s)
	p.listed[s.Organization] = slices.Delete(list, i, i+1)
	p.byID[s.ID] = &Service{ID: s.ID, Organization: s.Organization, Created: s.Created, Ordinal: s.Ordinal, Deleted: true}
}

// restore takes a value out of a snapshot.
func (p *Services) restore(s *Service) bool {
	taken := p.Used(s.ID)
	for i := range s.Credentials {
		taken = taken || p.byClient[s.Credentials[i].ClientID] != nil
	}
	p.put(s)
	if !s.Deleted {
		p.listed[s.Organization] = append(p.listed[s.Organization], s)
	}
	return !taken
}
