package command

import (
	"github.com/grantlog/grantlog/projections"
)

// Call is what a guard is asked about.
type Call struct {
	Token  projections.Token
	State  projections.Liveness // of the token
	Method string
	Path   string // one that projections.CleanPath returned
	// Proxy asks for an upstream too: without one the path is not found.
	Proxy bool
}

// Passage is a call that may pass as far as its token and its route go. On a
// refusal it holds what was known by then.
type Passage struct {
	Token        projections.Token
	Application  *projections.Application
	Organization *projections.Organization
	Scope        string // the one that opened the route
	Route        projections.Route
}

// Guard decides whether a token opens a route: it must be live (401), its
// organization's catalogue must know the path (404) and the token hold a scope
// of the longest route that has the method (403). Quotas come after, so none of
// these refusals consumes one.
func Guard(s *projections.State, call Call) (p Passage, err error) {
	if err := liveness(call.State); err != nil {
		return p, err
	}
	t := call.Token
	p.Token = t
	var ok bool
	if p.Organization, ok = s.Organizations.Get(t.Organization); !ok {
		return p, ErrTokenRevoked
	}
	// A service's credential is no application: its tokens open its service.
	if p.Application, ok = s.Applications.Get(t.Application); !ok {
		return p, ErrInsufficientScope
	}
	p.Route = p.Organization.Route(call.Method, call.Path)
	if !p.Route.Known || call.Proxy && p.Route.Upstream == nil {
		return p, ErrNotFound
	}
	for _, scope := range p.Route.Scopes {
		if inScope(t.Scope, scope) {
			p.Scope = scope
			return p, nil
		}
	}
	return p, ErrInsufficientScope
}

// liveness is the refusal of a token that is not live, nil for a live one.
func liveness(l projections.Liveness) error {
	switch l {
	case projections.Live:
		return nil
	case projections.Expired:
		return ErrTokenExpired
	case projections.Revoked:
		return ErrTokenRevoked
	}
	return ErrTokenInvalid
}

// inScope reports whether a space-delimited list holds a scope.
func inScope(list, scope string) bool {
	for list != "" {
		i := 0
		for i < len(list) && list[i] != ' ' {
			i++
		}
		if list[:i] == scope {
			return true
		}
		list = list[min(i+1, len(list)):]
	}
	return false
}
