package projections_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
)

var (
	services    = []string{"s1", "s2"}
	credentials = []string{"svc_1", "svc_2", "svc_3"}
)

func serviceCreated(uuid, authType string) *events.ServiceCreated {
	d := &events.ServiceCreated{ID: uuid, Profile: "p", Environment: "e", AuthType: authType}
	d.Name, d.Upstream = uuid, "http://upstream.example"
	return d
}

func credentialAdded(uuid, clientID string) *events.ServiceCredentialAdded {
	return &events.ServiceCredentialAdded{ID: uuid, ClientID: clientID, Secret: &events.SecretDigest{4}}
}

// issuedFor is a token of a service's credential.
func issuedFor(n int, uuid, clientID string, after, life time.Duration) *events.TokenIssued {
	d := issued(n, clientID, 0, after, life)
	d.Service, d.Scope = uuid, "service:call"
	return d
}

// service draws what may happen to a service: created by anybody, time and
// again, with the credentials of others.
func (g *generator) service() page {
	uuid := rapid.SampledFrom(services).Draw(g.t, "service")
	client := rapid.SampledFrom(credentials).Draw(g.t, "credential")
	org := g.organization()
	switch rapid.SampledFrom([]string{"issue", "issue", "issue", "create", "create", "add", "add", "remove", "on", "off", "edit", "delete"}).Draw(g.t, "what") {
	case "issue":
		d := issuedFor(len(g.tokens), uuid, client, g.now, time.Hour)
		g.tokens = append(g.tokens, d)
		return on(org, g.now, d)
	case "add":
		return on(org, g.now, credentialAdded(uuid, client))
	case "remove":
		return on(org, g.now, &events.ServiceCredentialRemoved{ID: uuid, ClientID: client})
	case "on":
		return on(org, g.now, &events.ServiceAuthEnabled{ID: uuid})
	case "off":
		return on(org, g.now, &events.ServiceAuthDisabled{ID: uuid})
	case "edit":
		d := &events.ServiceUpdated{ID: uuid}
		d.Name = rapid.StringN(0, 5, -1).Draw(g.t, "name")
		return on(org, g.now, d)
	case "delete":
		return on(org, g.now, &events.ServiceDeleted{ID: uuid})
	}
	return on(org, g.now, serviceCreated(uuid, rapid.SampledFrom([]string{"oauth", "none"}).Draw(g.t, "authType")))
}

// modelService is a service the naive way: whatever ends something walks over
// all tokens.
type modelService struct {
	organization string
	oauth, gone  bool
	credentials  map[string]bool
}

func (m *model) service(p page, d events.Data) {
	switch d := d.(type) {
	case *events.ServiceCreated:
		if m.services[d.ID] == nil {
			m.services[d.ID] = &modelService{p.organization, d.AuthType == "oauth", false, map[string]bool{}}
		}
	case *events.ServiceAuthEnabled:
		if s := m.ownedService(p, d.ID); s != nil {
			s.oauth = true
		}
	case *events.ServiceAuthDisabled:
		if s := m.ownedService(p, d.ID); s != nil {
			s.oauth = false
			m.endOf(d.ID, "")
		}
	case *events.ServiceCredentialAdded:
		if s := m.ownedService(p, d.ID); s != nil && !m.taken(d.ClientID) {
			s.credentials[d.ClientID] = true
		}
	case *events.ServiceCredentialRemoved:
		if s := m.ownedService(p, d.ID); s != nil && s.credentials[d.ClientID] {
			delete(s.credentials, d.ClientID)
			m.endOf(d.ID, d.ClientID)
		}
	case *events.ServiceDeleted:
		if s := m.ownedService(p, d.ID); s != nil {
			s.gone, s.credentials = true, nil
			m.endOf(d.ID, "")
		}
	}
}

func (m *model) ownedService(p page, uuid string) *modelService {
	if s := m.services[uuid]; s != nil && !s.gone && s.organization == p.organization {
		return s
	}
	return nil
}

func (m *model) taken(clientID string) bool {
	for _, s := range m.services {
		if s.credentials[clientID] {
			return true
		}
	}
	return false
}

// endOf ends a service's tokens, or those of one of its credentials.
func (m *model) endOf(uuid, clientID string) {
	for _, t := range m.tokens {
		if t.Service == uuid && (clientID == "" || t.Application == clientID) {
			t.dead = true
		}
	}
}

// backed reports whether a token of a service may be issued now.
func (m *model) backed(p page, d *events.TokenIssued) bool {
	s := m.ownedService(p, d.Service)
	return s != nil && s.oauth && s.credentials[d.Application]
}
