package projections

import (
	"slices"
	"strings"

	"github.com/grantlog/grantlog/events"
)

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
	p.creations.add(s)
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
	p.creations.replace(&s)
}

// put makes a value the one that its uuid and its credentials lead to.
func (p *Services) put(s *Service) {
	p.byID[s.ID] = s
	for i := range s.Credentials {
		p.byClient[s.Credentials[i].ClientID] = s
	}
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
	p.creations.remove(s)
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
		p.creations.add(s)
	}
	return !taken
}
