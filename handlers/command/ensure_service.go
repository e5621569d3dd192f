package command

import (
	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// EnsureService creates a service or changes what differs from the chosen
// values, in one step of those it takes: whoever calls it goes on until
// ErrUnchanged. A service that was deleted is a conflict; it does not come back.
func EnsureService(s *projections.State, target Target, chosen ServiceSettings) (Decision, error) {
	if !s.Services.Used(target.ID) {
		return CreateService(s, target, chosen)
	}
	service, ok := s.Services.Get(target.ID)
	if !ok {
		return Decision{}, ErrServiceDeleted
	}
	if service.Organization != target.Organization {
		return Decision{}, &Error{KindConflict, "That uuid is in use by another organization"}
	}
	dec, err := UpdateService(s, target, nil, chosen)
	if err == ErrUnchanged && chosen.AuthType != nil && *chosen.AuthType == events.AuthNone {
		return DisableServiceAuth(s, target)
	}
	return dec, err
}

// ErrServiceDeleted is a uuid that was a service's and is no longer.
var ErrServiceDeleted = &Error{KindConflict, "A service of that uuid was deleted"}
