package events

// ProviderSettings say how to get tokens from a third party.
type ProviderSettings struct {
	TokenURL  string `json:"tokenUrl"`
	RevokeURL string `json:"revokeUrl,omitempty"` // RFC 7009; empty: it offers none
	ClientID  string `json:"clientId,omitempty"`
	Scope     string `json:"scope,omitempty"`
	Private   bool   `json:"private,omitempty"` // may be on a loopback, private or link-local address
}

// ProviderSet adds a provider of third-party tokens, or replaces its settings.
type ProviderSet struct {
	Name string `json:"name"` // the NAME of ${NAME_access_token}
	ProviderSettings
	Secret []byte `json:"secret,omitempty"` // client secret, sealed and bound to "provider/<organization>/<name>"
}

// ProviderRemoved ends a provider. Authentications that it gave are not
// refreshed any more.
type ProviderRemoved struct {
	Name string `json:"name"`
}

// AuthenticationAdded keeps the tokens of a login at a provider. Tokens are
// sealed under a key of the authentication's own, which stands outside of the
// log so that it can be destroyed.
type AuthenticationAdded struct {
	ID        string `json:"id"`
	Provider  string `json:"provider"`
	Tokens    []byte `json:"tokens"`
	ExpiresAt int64  `json:"expiresAt"` // of the access token, Unix seconds
}

// AuthenticationLeased gives one replica the right to refresh, until a time.
// A holder that is gone is replaced by whoever leases next.
type AuthenticationLeased struct {
	ID    string `json:"id"`
	Until int64  `json:"until"` // Unix seconds
	// Key is sent to the provider as the Idempotency-Key of the refresh. It is
	// made with the first lease after the tokens last changed, and kept by all
	// further ones until they change again.
	Key string `json:"key,omitempty"`
}

// AuthenticationRefreshed replaces the tokens.
type AuthenticationRefreshed struct {
	ID        string `json:"id"`
	Tokens    []byte `json:"tokens"`
	ExpiresAt int64  `json:"expiresAt"` // Unix seconds
}

// AuthenticationFailed says that the provider refused to refresh: the tokens
// are not used any more.
type AuthenticationFailed struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// AuthenticationRemoved ends an authentication; its key is destroyed.
type AuthenticationRemoved struct {
	ID string `json:"id"`
}

func (*ProviderSet) EventType() Type             { return "provider.set" }
func (*ProviderRemoved) EventType() Type         { return "provider.removed" }
func (*AuthenticationAdded) EventType() Type     { return "authentication.added" }
func (*AuthenticationLeased) EventType() Type    { return "authentication.leased" }
func (*AuthenticationRefreshed) EventType() Type { return "authentication.refreshed" }
func (*AuthenticationFailed) EventType() Type    { return "authentication.failed" }
func (*AuthenticationRemoved) EventType() Type   { return "authentication.removed" }
