package command

import (
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// ScopeServiceCall is the scope of every service token. It opens nothing by
// itself: a service token opens its service.
const ScopeServiceCall = "service:call"

// serviceTokenLifetime is that of every service token.
const serviceTokenLifetime = time.Hour

// ServiceName is how requests name a service.
type ServiceName struct{ Profile, Environment, UUID string }

// find returns the service of that name within an organization.
func (n ServiceName) find(s *projections.State, organization string) (*projections.Service, error) {
	service, err := FindService(s, organization, n.UUID)
	if err != nil || service.Profile != n.Profile || service.Environment != n.Environment {
		return nil, ErrNotFound
	}
	return service, nil
}

// ServiceToken decides a token request that names a service. Whoever has not
// authenticated learns nothing of what exists; who has, that a service of its
// organization is not there, or takes no tokens, or is not the one that its
// credential is for.
func ServiceToken(s *projections.State, now time.Time, client Client, name ServiceName, requested string) (Grant, error) {
	service, err := name.find(s, client.Organization())
	if err != nil || service.AuthType != events.AuthOAuth {
		return Grant{}, ErrMissingParameters
	}
	if client.Service == nil || client.Service.ID != service.ID {
		return Grant{}, ErrInvalidClient
	}
	scope, err := narrow([]string{ScopeServiceCall}, requested)
	if err != nil {
		return Grant{}, err
	}
	now = now.Truncate(time.Second)
	return Grant{Client: client, Scope: scope, IssuedAt: now, ExpiresAt: now.Add(serviceTokenLifetime)}, nil
}

// OpenService finds a service that anybody may call.
func OpenService(s *projections.State, name ServiceName) (*projections.Service, bool) {
	service, ok := s.Services.Get(name.UUID)
	if !ok || service.AuthType != events.AuthNone || service.Profile != name.Profile || service.Environment != name.Environment {
		return nil, false
	}
	return service, true
}

// CallService decides whether a token opens a service: it must be live (401),
// the service one of its organization (404), and the one that the token was
// issued for (403).
func CallService(s *projections.State, token projections.Token, state projections.Liveness, name ServiceName) (*projections.Service, error) {
	if err := liveness(state); err != nil {
		return nil, err
	}
	service, err := name.find(s, token.Organization)
	if err != nil {
		return nil, err
	}
	if token.Service != service.ID {
		return nil, ErrInsufficientScope
	}
	return service, nil
}
