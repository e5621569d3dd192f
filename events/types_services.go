package events

// ServiceClientPrefix begins the client_id of every service credential, and of
// no application.
const ServiceClientPrefix = "svc_"

// Values of a service's authType.
const (
	AuthOAuth = "oauth" // callable with a token of the service alone
	AuthNone  = "none"  // callable by anybody
)

// ServiceSettings are what an administrator may change of a service, but for
// its authType, which has events of its own: whoever changes a name must not
// turn on again what another one turned off meanwhile.
type ServiceSettings struct {
	Name     string `json:"name"`
	Upstream string `json:"upstream"`          // URL that calls are sent to
	Private  bool   `json:"private,omitempty"` // may be on a loopback, private or link-local address
}

// ServiceCreated adds a service to an environment of a profile, for good: in
// another one it is another service.
type ServiceCreated struct {
	ID          string `json:"uuid"` // lower-case, unique in the whole server
	Profile     string `json:"profile"`
	Environment string `json:"environment"`
	AuthType    string `json:"authType"` // AuthOAuth or AuthNone
	ServiceSettings
}

// ServiceUpdated replaces a service's settings.
type ServiceUpdated struct {
	ID string `json:"uuid"`
	ServiceSettings
}

// ServiceAuthEnabled lets a service be called with tokens of its own alone.
// Tokens that ended before stay so.
type ServiceAuthEnabled struct {
	ID string `json:"uuid"`
}

// ServiceAuthDisabled lets a service be called by anybody and ends every token
// issued for it before. Its credentials stay.
type ServiceAuthDisabled struct {
	ID string `json:"uuid"`
}

// ServiceDeleted ends a service, its credentials and their tokens. Its uuid is
// never used again.
type ServiceDeleted struct {
	ID string `json:"uuid"`
}

// ServiceCredentialAdded gives a service one more OAuth client. Its id in
// tokens is its client_id.
type ServiceCredentialAdded struct {
	ID       string        `json:"uuid"` // of the service
	ClientID string        `json:"clientId"`
	Secret   *SecretDigest `json:"secret"`
}

// ServiceCredentialRemoved ends a credential and every token issued to it.
type ServiceCredentialRemoved struct {
	ID       string `json:"uuid"` // of the service
	ClientID string `json:"clientId"`
}

// The stable names.
func (*ServiceCreated) EventType() Type           { return "service.created" }
func (*ServiceUpdated) EventType() Type           { return "service.updated" }
func (*ServiceAuthEnabled) EventType() Type       { return "service.auth_enabled" }
func (*ServiceAuthDisabled) EventType() Type      { return "service.auth_disabled" }
func (*ServiceDeleted) EventType() Type           { return "service.deleted" }
func (*ServiceCredentialAdded) EventType() Type   { return "service.credential_added" }
func (*ServiceCredentialRemoved) EventType() Type { return "service.credential_removed" }
