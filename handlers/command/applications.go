package command

import (
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Target is the application that a command is about, as the caller may see
// it: one of another organization is not found.
type Target struct {
	Organization string
	ID           string
	Held         []string // scopes of the caller
}

// FindApplication returns an organization's application.
func FindApplication(s *projections.State, organization, id string) (*projections.Application, error) {
	app, ok := s.Applications.Get(id)
	if !ok || app.Organization != organization {
		return nil, ErrNotFound
	}
	return app, nil
}

// NewApplication is a registration. A nil Secret makes a public client.
type NewApplication struct {
	Target
	ClientID string
	Secret   *events.SecretDigest
	Settings Settings
}

// CreateApplication registers an application under an id that was never used.
func CreateApplication(s *projections.State, in NewApplication) (Decision, error) {
	d, err := created(s, in)
	if err != nil {
		return Decision{}, err
	}
	return edit(in.Organization, 0, d)
}

func created(s *projections.State, in NewApplication) (*events.ApplicationCreated, error) {
	o, ok := s.Organizations.Get(in.Organization)
	if !ok {
		return nil, ErrNotFound
	}
	if !visible(in.ClientID, maxClientID) {
		return nil, Invalid("clientId must be 1 to %d printable ASCII characters without spaces", maxClientID)
	}
	if strings.HasPrefix(in.ClientID, events.ServiceClientPrefix) {
		return nil, Invalid("clientId must not begin with %s: that is for credentials of services", events.ServiceClientPrefix)
	}
	if _, taken := s.Applications.ByClientID(in.ClientID); taken {
		return nil, &Error{KindConflict, "That clientId is in use"}
	}
	settings, err := settle(o, events.ApplicationSettings{}, in.Secret == nil, in.Settings, in.Held)
	if err != nil {
		return nil, err
	}
	return &events.ApplicationCreated{
		ID: in.ID, ClientID: in.ClientID, ApplicationSettings: settings, Secret: in.Secret,
	}, nil
}

const maxClientID = 128

// visible accepts 1 to limit of the VSCHAR of RFC 6749 appendix A, but the
// space.
func visible(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// UpdateApplication changes chosen settings. Unless nil, expected lists the
// revisions that the caller is ready to change (If-Match, RFC 9110 section
// 13.1.1); any other is KindPrecondition.
func UpdateApplication(s *projections.State, target Target, expected []events.Position, chosen Settings) (Decision, error) {
	app, err := FindApplication(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	if expected != nil && !slices.Contains(expected, app.Revision) {
		return Decision{}, errApplicationChanged
	}
	o, ok := s.Organizations.Get(target.Organization)
	if !ok {
		return Decision{}, ErrNotFound
	}
	settings, err := settle(o, app.ApplicationSettings, app.Public(), chosen, target.Held)
	if err != nil {
		return Decision{}, err
	}
	return edit(target.Organization, app.Revision, &events.ApplicationUpdated{ID: app.ID, ApplicationSettings: settings})
}

var errApplicationChanged = &Error{KindPrecondition, "The application has changed; read it again"}

// MaxOverlap is the longest time that a former secret may be kept.
const MaxOverlap = 30 * 24 * time.Hour

// RotateSecret gives an application a new secret. Without overlap its former
// secrets and every token minted on them end with the event. Whoever sets a
// secret can use everything the application may: the caller must hold its
// management scopes.
func RotateSecret(s *projections.State, now time.Time, target Target, digest events.SecretDigest, overlap time.Duration) (Decision, error) {
	app, err := FindApplication(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	if app.Public() {
		return Decision{}, Invalid("A public client has no secret")
	}
	if overlap < 0 || overlap > MaxOverlap {
		return Decision{}, Invalid("overlapSeconds must be from 0 to %d", int(MaxOverlap.Seconds()))
	}
	for _, scope := range app.Scopes {
		if slices.Contains(ManagementScopes, scope) && !holds(target.Held, scope) {
			return Decision{}, &Error{KindForbidden, "The secret of an application with management scopes can be set only by a caller that holds them"}
		}
	}
	rotated := &events.SecretRotated{ID: app.ID, ClientID: app.ClientID, Secret: &digest}
	if overlap > 0 {
		rotated.EndsAt = now.Add(overlap).UTC().Truncate(time.Microsecond)
	}
	return fact(target.Organization, rotated)
}

// RevokeApplicationTokens ends every token that the application has now.
func RevokeApplicationTokens(s *projections.State, target Target, reason string) (Decision, error) {
	app, err := FindApplication(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	return fact(target.Organization, &events.ApplicationTokensRevoked{ID: app.ID, ClientID: app.ClientID, Reason: reason})
}

// DeleteApplication ends an application, its secrets and its tokens, for good.
func DeleteApplication(s *projections.State, target Target) (Decision, error) {
	app, err := FindApplication(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	return fact(target.Organization, &events.ApplicationDeleted{ID: app.ID, ClientID: app.ClientID})
}

// RevokeTokenByID ends one live token of an organization; with an empty
// organization, of any. A token that is not live is not found.
func RevokeTokenByID(s *projections.State, now time.Time, organization string, id events.TokenID, reason string) (Decision, error) {
	t, ok := s.Token(id)
	if !ok || organization != "" && t.Organization != organization || s.Liveness(t, now) != projections.Live {
		return Decision{}, ErrNotFound
	}
	return RevokeToken(t, reason)
}
