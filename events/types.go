package events

import "time"

// TokenID is a token's jti: 128 random bits, written as 32 hex digits.
type TokenID [16]byte

// TokenDigest is the first half of the SHA-256 of the compact token: enough to
// recognize the exact string that was issued, useless for making one.
type TokenDigest [16]byte

// SecretDigest is the keyed SHA-256 (HMAC under a key derived from the master
// key) of a client secret.
type SecretDigest [32]byte

// Limits are request quotas. Zero means the server's default.
type Limits struct {
	PerMinute int `json:"perMinute,omitempty"`
	PerHour   int `json:"perHour,omitempty"`
}

// Scope is an entry of an organization's catalogue. A route is "METHOD /path",
// where a trailing /* also matches the path without it.
type Scope struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Routes      []string `json:"routes,omitempty"`
}

// OrganizationCreated starts a tenant.
type OrganizationCreated struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	PartnerID string `json:"partnerId,omitempty"`
	Limits    Limits `json:"limits,omitzero"`
}

// OrganizationUpdated replaces a tenant's settings.
type OrganizationUpdated struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	PartnerID string `json:"partnerId,omitempty"`
	Limits    Limits `json:"limits,omitzero"`
}

// OrganizationDisabled shuts a tenant out and ends every token issued in it
// before.
type OrganizationDisabled struct {
	ID string `json:"id"`
}

// OrganizationEnabled lets a tenant in again. Tokens that ended stay so.
type OrganizationEnabled struct {
	ID string `json:"id"`
}

// ScopesSet replaces an organization's scope catalogue.
type ScopesSet struct {
	ID     string  `json:"id"` // organization
	Scopes []Scope `json:"scopes"`
}

// ApplicationSettings are what an administrator may choose of an application.
type ApplicationSettings struct {
	Name          string   `json:"name"`
	Description   string   `json:"description,omitempty"`
	Scopes        []string `json:"scopes"`
	TokenLifetime int      `json:"tokenLifetime,omitempty"` // seconds; 0: default
	SigningAlg    string   `json:"signingAlg,omitempty"`    // JWS alg; empty: ES256
	Audience      string   `json:"audience,omitempty"`      // empty: the issuer
	Limits        Limits   `json:"limits,omitzero"`
	GrantTypes    []string `json:"grantTypes,omitempty"`
	RedirectURIs  []string `json:"redirectUris,omitempty"`
}

// ApplicationCreated registers an OAuth client. A nil digest makes a public
// client (token_endpoint_auth_method "none").
type ApplicationCreated struct {
	ID       string `json:"id"`
	ClientID string `json:"clientId"`
	ApplicationSettings
	Secret *SecretDigest `json:"secret,omitempty"`
}

// ApplicationUpdated replaces an application's settings.
type ApplicationUpdated struct {
	ID string `json:"id"`
	ApplicationSettings
}

// SecretRotated gives an application a new secret. Without EndsAt the former
// secrets and every token minted on them end with this event; with it they end
// at that time.
type SecretRotated struct {
	ID       string        `json:"id"`
	ClientID string        `json:"clientId,omitempty"` // for consumers who know clients, not applications
	Secret   *SecretDigest `json:"secret"`
	EndsAt   time.Time     `json:"endsAt,omitzero"`
}

// ApplicationTokensRevoked ends every token of an application issued before.
type ApplicationTokensRevoked struct {
	ID       string `json:"id"`
	ClientID string `json:"clientId,omitempty"` // for consumers who know clients, not applications
	Reason   string `json:"reason,omitempty"`
}

// ApplicationDisabled shuts an application out and ends every token issued to
// it before.
type ApplicationDisabled struct {
	ID       string `json:"id"`
	ClientID string `json:"clientId,omitempty"` // for consumers who know clients, not applications
}

// ApplicationEnabled lets an application in again. Tokens that ended stay so.
type ApplicationEnabled struct {
	ID string `json:"id"`
}

// ApplicationDeleted ends an application, its secrets and its tokens.
type ApplicationDeleted struct {
	ID       string `json:"id"`
	ClientID string `json:"clientId,omitempty"` // for consumers who know clients, not applications
}

// TokenIssued records an access token. Secret is the version of the client
// secret it was decided on: if the log shows that version ended before this
// event, the token is dead on arrival.
type TokenIssued struct {
	ID          TokenID     `json:"jti"`
	Digest      TokenDigest `json:"digest"`
	Application string      `json:"application"`           // application id, or the credential's client_id
	Secret      int         `json:"secret"`                // secret version, from 1; 0 for a public client and a credential
	User        string      `json:"user,omitempty"`        // user id, for grants that have one
	UserVersion int         `json:"userVersion,omitempty"` // of the user's credentials that it was decided on; see UserPasswordChanged, UserDisabled
	Service     string      `json:"service,omitempty"`     // uuid, for the token of a service's credential
	Family      string      `json:"family,omitempty"`      // of the refresh tokens that it goes with; see RefreshFamilyEnded
	Grant       string      `json:"grant"`                 // grant_type
	Scope       string      `json:"scope"`                 // space-delimited, RFC 6749 section 3.3
	Key         string      `json:"key"`                   // kid of the signing key
	IssuedAt    int64       `json:"issuedAt"`              // Unix seconds
	ExpiresAt   int64       `json:"expiresAt"`             // Unix seconds
}

// TokenRevoked ends one token.
type TokenRevoked struct {
	ID          TokenID `json:"jti"`
	Application string  `json:"application"`
	Reason      string  `json:"reason,omitempty"`
}

// KeyCreated publishes a signing key. Sealed is the private key, sealed and
// bound to "key/<kid>".
type KeyCreated struct {
	ID        string    `json:"kid"`
	Algorithm string    `json:"alg"`
	Public    RawJSON   `json:"public"` // JWK, RFC 7517
	Sealed    []byte    `json:"sealed"`
	NotBefore time.Time `json:"notBefore"` // not used for signing earlier
}

// KeyActivated makes a key the one that signs for its algorithm.
type KeyActivated struct {
	ID string `json:"kid"`
}

// KeyRetired takes a key out of the JWKS.
type KeyRetired struct {
	ID string `json:"kid"`
}

// SealingKeyCreated stores a data key, wrapped under the master key.
type SealingKeyCreated struct {
	ID      string `json:"id"`
	Wrapped []byte `json:"wrapped"`
}

// BeaconSent proves, once a replica reads it back, that the replica had heard
// everything that the log held when it was sent.
type BeaconSent struct {
	Nonce string `json:"nonce"`
}

// The stable names.
func (*OrganizationCreated) EventType() Type      { return "organization.created" }
func (*OrganizationUpdated) EventType() Type      { return "organization.updated" }
func (*OrganizationDisabled) EventType() Type     { return "organization.disabled" }
func (*OrganizationEnabled) EventType() Type      { return "organization.enabled" }
func (*ScopesSet) EventType() Type                { return "organization.scopes_set" }
func (*ApplicationCreated) EventType() Type       { return "application.created" }
func (*ApplicationUpdated) EventType() Type       { return "application.updated" }
func (*SecretRotated) EventType() Type            { return "application.secret_rotated" }
func (*ApplicationTokensRevoked) EventType() Type { return "application.tokens_revoked" }
func (*ApplicationDisabled) EventType() Type      { return "application.disabled" }
func (*ApplicationEnabled) EventType() Type       { return "application.enabled" }
func (*ApplicationDeleted) EventType() Type       { return "application.deleted" }
func (*TokenIssued) EventType() Type              { return "token.issued" }
func (*TokenRevoked) EventType() Type             { return "token.revoked" }
func (*KeyCreated) EventType() Type               { return "key.created" }
func (*KeyActivated) EventType() Type             { return "key.activated" }
func (*KeyRetired) EventType() Type               { return "key.retired" }
func (*SealingKeyCreated) EventType() Type        { return "sealing.key_created" }
func (*BeaconSent) EventType() Type               { return "beacon.sent" }
