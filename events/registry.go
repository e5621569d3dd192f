package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// catalogue is the only list of event types. A new type is its struct, one
// line here and a golden file.
var catalogue = newRegistry(
	onOrganization(func(d *OrganizationCreated) string { return d.ID }),
	onOrganization(func(d *OrganizationUpdated) string { return d.ID }),
	onOrganization(func(d *OrganizationEnabled) string { return d.ID }),
	revocation[OrganizationDisabled](),
	onOrganization(func(d *ScopesSet) string { return d.ID }),
	onOrganization(func(d *UpstreamsSet) string { return d.ID }),
	revocation[OrganizationTokensRevoked](),

	onApplication(func(d *ApplicationCreated) string { return d.ID }),
	onApplication(func(d *ApplicationUpdated) string { return d.ID }),
	onApplication(func(d *ApplicationEnabled) string { return d.ID }),
	revocation[ApplicationDisabled](),
	revocation[SecretRotated](),
	revocation[ApplicationTokensRevoked](),
	revocation[ApplicationDeleted](),

	onService(func(d *ServiceCreated) string { return d.ID }),
	onService(func(d *ServiceUpdated) string { return d.ID }),
	onService(func(d *ServiceAuthEnabled) string { return d.ID }),
	onService(func(d *ServiceCredentialAdded) string { return d.ID }),
	revocation[ServiceAuthDisabled](),
	revocation[ServiceCredentialRemoved](),
	revocation[ServiceDeleted](),

	onUsers[UserCreated](),
	onUsers[UserUpdated](),
	onUsers[UserEnabled](),
	onUsers[UserErased](),
	revocation[UserPasswordChanged](),
	revocation[UserDisabled](),
	revocation[UserDeleted](),
	paged[LoginFailed](FamilyLogins, LoginsSubject()),

	paged[TokenIssued](FamilyTokens, TokensSubject()),
	revocation[TokenRevoked](),
	paged[RefreshIssued](FamilyTokens, TokensSubject()),
	paged[RefreshPresented](FamilyTokens, TokensSubject()),
	revocation[RefreshFamilyEnded](),

	onProvider(func(d *ProviderSet) string { return d.Name }),
	onProvider(func(d *ProviderRemoved) string { return d.Name }),
	onAuthentication(func(d *AuthenticationAdded) string { return d.ID }),
	onAuthentication(func(d *AuthenticationLeased) string { return d.ID }),
	onAuthentication(func(d *AuthenticationRefreshed) string { return d.ID }),
	onAuthentication(func(d *AuthenticationFailed) string { return d.ID }),
	onAuthentication(func(d *AuthenticationRemoved) string { return d.ID }),

	onWebhook(func(d *WebhookCreated) string { return d.ID }),
	onWebhook(func(d *WebhookLeased) string { return d.ID }),
	onWebhook(func(d *WebhookAdvanced) string { return d.ID }),
	onWebhook(func(d *WebhookFailed) string { return d.ID }),
	onWebhook(func(d *WebhookDied) string { return d.ID }),
	onWebhook(func(d *WebhookResumed) string { return d.ID }),
	onWebhook(func(d *WebhookDeleted) string { return d.ID }),

	edited[KeyCreated](KeysSubject()),
	edited[KeyActivated](KeysSubject()),
	edited[KeyRetired](KeysSubject()),
	edited[SealingKeyCreated](SealingSubject()),

	beside[RequestKeyed](),
	paged[UsageRecorded](FamilyUsage, UsageSubject()),
	paged[BeaconSent](FamilyBeacons, BeaconsSubject()),
	edited[LogRestored](LogSubject()),
	edited[LogArchived](LogSubject()),
)

// An upcaster rewrites a payload of one version into the next.
type upcaster func(json.RawMessage) (json.RawMessage, error)

// entry is what the package knows of an event type. upcasters[i] rewrites
// version i+1, so their number gives the current version.
type entry struct {
	name      Type
	family    Family
	new       func() Data
	shape     *shape
	subject   func(organization string, d Data) (string, error)
	upcasters []upcaster
}

func (e *entry) version() int { return len(e.upcasters) + 1 }

type registry map[Type]*entry

func newRegistry(entries ...*entry) registry {
	r := make(registry, len(entries))
	for _, e := range entries {
		e.name = e.new().EventType()
		e.shape = shapeOf(reflect.TypeOf(e.new()).Elem())
		r[e.name] = e
	}
	return r
}

// Types lists every event type that this version of grantlog knows, sorted.
func Types() []Type { return slices.Sorted(maps.Keys(catalogue)) }

// FamilyOf says how events of type t are written.
func FamilyOf(t Type) (Family, bool) {
	if e := catalogue[t]; e != nil {
		return e.family, true
	}
	return 0, false
}

// SubjectFor returns the subject that an event with payload d is written to.
// It fails if an id that becomes part of the subject is not a safe token.
func SubjectFor(organization string, d Data) (string, error) {
	if d == nil {
		return "", errNoData
	}
	e := catalogue[d.EventType()]
	if e == nil {
		return "", &UnknownTypeError{Type: d.EventType()}
	}
	return e.subject(organization, d)
}

// payload is a pointer to T that is an event's payload.
type payload[T any] interface {
	*T
	Data
}

func typed[T any, P payload[T]](f Family, subject func(organization string, d P) (string, error), up []upcaster) *entry {
	return &entry{
		family:    f,
		new:       func() Data { return P(new(T)) },
		subject:   func(organization string, d Data) (string, error) { return subject(organization, d.(P)) },
		upcasters: up,
	}
}

// onOrganization registers an edit of an organization, whose id it is told.
func onOrganization[T any, P payload[T]](id func(P) string, up ...upcaster) *entry {
	return typed[T](FamilyAggregate, func(_ string, d P) (string, error) {
		return checked(OrganizationSubject(id(d)), id(d))
	}, up)
}

// onApplication registers an edit of an application, whose id it is told.
func onApplication[T any, P payload[T]](id func(P) string, up ...upcaster) *entry {
	return typed[T](FamilyAggregate, func(organization string, d P) (string, error) {
		return checked(ApplicationSubject(organization, id(d)), organization, id(d))
	}, up)
}

// onProvider registers an edit of a provider, whose name it is told.
func onProvider[T any, P payload[T]](name func(P) string, up ...upcaster) *entry {
	return typed[T](FamilyAggregate, func(organization string, d P) (string, error) {
		return checked(ProviderSubject(organization, name(d)), organization, name(d))
	}, up)
}

// onAuthentication registers an edit of an authentication, whose id it is told.
func onAuthentication[T any, P payload[T]](id func(P) string, up ...upcaster) *entry {
	return typed[T](FamilyAggregate, func(organization string, d P) (string, error) {
		return checked(AuthenticationSubject(organization, id(d)), organization, id(d))
	}, up)
}

// onWebhook registers what happens to a webhook, whose id it is told.
func onWebhook[T any, P payload[T]](id func(P) string, up ...upcaster) *entry {
	return typed[T](FamilyAggregate, func(organization string, d P) (string, error) {
		return checked(WebhookSubject(organization, id(d)), organization, id(d))
	}, up)
}

// onService registers an edit of a service, whose uuid it is told.
func onService[T any, P payload[T]](id func(P) string, up ...upcaster) *entry {
	return typed[T](FamilyAggregate, func(organization string, d P) (string, error) {
		return checked(ServiceSubject(organization, id(d)), organization, id(d))
	}, up)
}

// onUsers registers an edit of an organization's users.
func onUsers[T any, P payload[T]](up ...upcaster) *entry {
	return typed[T](FamilyAggregate, func(organization string, _ P) (string, error) {
		return checked(UsersSubject(organization), organization)
	}, up)
}

// edited registers an edit of something that the whole server has one of.
func edited[T any, P payload[T]](subject string, up ...upcaster) *entry {
	return typed[T](FamilyAggregate, func(string, P) (string, error) { return subject, nil }, up)
}

// paged registers a fact that all organizations write to one subject.
func paged[T any, P payload[T]](f Family, subject string, up ...upcaster) *entry {
	return typed[T](f, func(string, P) (string, error) { return subject, nil }, up)
}

// revocation registers an ending.
func revocation[T any, P payload[T]](up ...upcaster) *entry {
	return typed[T](FamilyRevocations, func(organization string, _ P) (string, error) {
		return checked(RevocationsSubject(organization), organization)
	}, up)
}

// beside registers what stands in records of other events alone.
func beside[T any, P payload[T]](up ...upcaster) *entry {
	return typed[T](FamilyBeside, func(string, P) (string, error) { return "", errBeside }, up)
}

var errBeside = errors.New("events: no subject of its own: it stands beside others")

// checked returns subject if every id in it is safe there.
func checked(subject string, ids ...string) (string, error) {
	for _, id := range ids {
		if err := CheckSubjectToken(id); err != nil {
			return "", fmt.Errorf("no subject: %w", err)
		}
	}
	return subject, nil
}
