package command

import (
	"cmp"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Leases of a refresh: the first attempt has a minute, and every further one
// waits twice as long, so that a provider that is down is not hammered.
const (
	firstLease = time.Minute
	longest    = 15 * time.Minute
)

// SetProvider adds a provider of third-party tokens or replaces its settings.
// secret is sealed; nil leaves the one that is there.
func SetProvider(s *projections.State, organization, name string, settings events.ProviderSettings, secret []byte) (Decision, error) {
	if _, ok := s.Organizations.Get(organization); !ok {
		return Decision{}, ErrNotFound
	}
	if !plainName.MatchString(name) {
		return Decision{}, Invalid("A provider's name has 1 to 64 letters, digits, _ and -")
	}
	if checkUpstreamURL(settings.TokenURL) != nil || strings.Contains(settings.TokenURL, "$") {
		return Decision{}, Invalid("tokenUrl must be an absolute http or https URL without user and fragment")
	}
	if settings.RevokeURL != "" && (checkUpstreamURL(settings.RevokeURL) != nil || strings.Contains(settings.RevokeURL, "$")) {
		return Decision{}, Invalid("revokeUrl must be an absolute http or https URL without user and fragment")
	}
	if len(settings.ClientID) > 256 || len(settings.Scope) > 1024 {
		return Decision{}, Invalid("clientId or scope is too long")
	}
	d := &events.ProviderSet{Name: name, ProviderSettings: settings, Secret: secret}
	if old, ok := s.Connections.Provider(organization, name); ok && secret == nil {
		d.Secret = old.Secret
	}
	return edit(organization, s.Connections.ProviderRevision(organization, name), d)
}

// RemoveProvider ends a provider.
func RemoveProvider(s *projections.State, organization, name string) (Decision, error) {
	if _, ok := s.Connections.Provider(organization, name); !ok {
		return Decision{}, ErrNotFound
	}
	return edit(organization, s.Connections.ProviderRevision(organization, name), &events.ProviderRemoved{Name: name})
}

// AddAuthentication keeps the sealed tokens of a login.
func AddAuthentication(s *projections.State, organization, id, provider string, tokens []byte, expiresAt int64) (Decision, error) {
	if _, ok := s.Connections.Provider(organization, provider); !ok {
		return Decision{}, Invalid("That provider was removed")
	}
	return edit(organization, 0, &events.AuthenticationAdded{ID: id, Provider: provider, Tokens: tokens, ExpiresAt: expiresAt})
}

// FindAuthentication returns an organization's authentication.
func FindAuthentication(s *projections.State, organization, id string) (*projections.Authentication, error) {
	a, ok := s.Connections.Get(id)
	if !ok || a.Organization != organization {
		return nil, ErrNotFound
	}
	return a, nil
}

// ErrLeased says that a refresh is another replica's, or not due any more.
var ErrLeased = &Error{KindConflict, "The refresh is somebody else's"}

// LeaseRefresh takes the right to refresh an authentication that is due by
// expires (Unix seconds). key is what the refresh is known by at the provider,
// unless an earlier lease gave it one: whoever takes over from a holder that is
// gone asks for the same once more, not for another.
func LeaseRefresh(s *projections.State, now time.Time, id string, expires int64, key string) (Decision, error) {
	a, ok := s.Connections.Get(id)
	if !ok || !a.Active() || a.ExpiresAt > expires || a.LeasedUntil > now.Unix() {
		return Decision{}, ErrLeased
	}
	hold := min(longest, firstLease<<min(a.Attempts, 4))
	return edit(a.Organization, a.Revision, &events.AuthenticationLeased{ID: id, Until: now.Add(hold).Unix(), Key: cmp.Or(a.Key, key)})
}

// EndRefresh records how a refresh ended that was leased at position lease. It
// holds only if nothing happened to the authentication since.
func EndRefresh(s *projections.State, lease events.Position, outcome events.Data) (Decision, error) {
	var id string
	switch d := outcome.(type) {
	case *events.AuthenticationRefreshed:
		id = d.ID
	case *events.AuthenticationFailed:
		id = d.ID
	}
	a, ok := s.Connections.Get(id)
	if !ok || a.Revision != lease {
		return Decision{}, ErrLeased
	}
	return edit(a.Organization, lease, outcome)
}

// RemoveAuthentication ends an authentication.
func RemoveAuthentication(s *projections.State, organization, id string) (Decision, error) {
	a, err := FindAuthentication(s, organization, id)
	if err != nil {
		return Decision{}, err
	}
	return edit(organization, a.Revision, &events.AuthenticationRemoved{ID: id})
}
