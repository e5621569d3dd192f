package command

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Client is who proved to be an OAuth client: an application or, with a
// client_id and an id of its own, the credential of a service.
type Client struct {
	Application *projections.Application // nil for a service's credential
	Secret      int                      // version of the secret it presented; 0 for a public client
	Service     *projections.Service     // nil for an application
	Credential  string                   // client_id of the service's credential
}

// ID names the client in events and tokens.
func (c Client) ID() string {
	if c.Service != nil {
		return c.Credential
	}
	return c.Application.ID
}

// Organization is the tenant that the client belongs to.
func (c Client) Organization() string {
	if c.Service != nil {
		return c.Service.Organization
	}
	return c.Application.Organization
}

// Public reports whether the client's id is all that it presented.
func (c Client) Public() bool { return c.Service == nil && c.Application.Public() }

// AuthenticateClient decides who presented a secret. A nil digest is a client
// that presented none (method "none"). Every failure is ErrInvalidClient: the
// answer does not tell an unknown client from a wrong secret.
func AuthenticateClient(s *projections.State, now time.Time, clientID string, digest *events.SecretDigest) (Client, error) {
	app, ok := s.Applications.ByClientID(clientID)
	if !ok {
		return authenticateCredential(s, clientID, digest)
	}
	if app.Disabled || shut(s, app.Organization) {
		return Client{}, ErrInvalidClient
	}
	if digest == nil {
		if !app.Public() {
			return Client{}, ErrInvalidClient
		}
		return Client{Application: app}, nil
	}
	for _, secret := range app.Secrets {
		if subtle.ConstantTimeCompare(secret.Digest[:], digest[:]) == 1 && secret.Live(now) {
			return Client{Application: app, Secret: secret.Version}, nil
		}
	}
	return Client{}, ErrInvalidClient
}

func authenticateCredential(s *projections.State, clientID string, digest *events.SecretDigest) (Client, error) {
	service, ok := s.Services.ByClientID(clientID)
	if !ok || digest == nil || shut(s, service.Organization) {
		return Client{}, ErrInvalidClient
	}
	credential, ok := service.Credential(clientID)
	if !ok || subtle.ConstantTimeCompare(credential.Digest[:], digest[:]) != 1 {
		return Client{}, ErrInvalidClient
	}
	return Client{Service: service, Credential: clientID}, nil
}

// Grant is what a token request was given, before anything is signed.
type Grant struct {
	Client    Client
	User      *projections.User // who logged in; nil for grants without a user
	Partner   string            // by whom it is the user's
	LoggedIn  time.Time         // when the user did
	Refresh   *Refresh          // the refresh token that goes with it; nil: none
	Scope     string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// ClientCredentials decides a token request of RFC 6749 section 4.4. requested
// may narrow the application's scopes; empty asks for all of them.
func ClientCredentials(now time.Time, client Client, requested string) (Grant, error) {
	app := client.Application
	if app == nil || app.Public() || !app.MayUse("client_credentials") {
		return Grant{}, &Error{KindUnauthorizedClient, "This client may not use the client_credentials grant"}
	}
	scope, err := narrow(app.Scopes, requested)
	if err != nil {
		return Grant{}, err
	}
	now = now.Truncate(time.Second)
	return Grant{Client: client, Scope: scope, IssuedAt: now, ExpiresAt: now.Add(app.TokenLife())}, nil
}

// narrow returns the requested scopes, each once, if the application has them.
func narrow(allowed []string, requested string) (string, error) {
	if requested == "" {
		return strings.Join(allowed, " "), nil
	}
	var scopes []string
	for scope := range strings.SplitSeq(requested, " ") {
		if !ValidScope(scope) {
			return "", &Error{KindInvalidScope, "The scope parameter is malformed"}
		}
		if !slices.Contains(allowed, scope) {
			return "", &Error{KindInvalidScope, "The client does not have scope " + scope}
		}
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return strings.Join(scopes, " "), nil
}

// ValidScope reports whether a string is a scope-token of RFC 6749 section 3.3
// of at most 128 characters.
func ValidScope(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// ManagementScopes open grantlog's own endpoints. They are always known.
var ManagementScopes = []string{
	"grantlog:admin",
	"applications:read", "applications:write", "services:read", "services:write",
	"users:read", "users:write", "authentications:read", "authentications:write",
	"tokens:introspect", "tokens:revoke", "events:read", "revocations:read",
}

// ScopeAdmin opens every organization.
const ScopeAdmin = "grantlog:admin"
