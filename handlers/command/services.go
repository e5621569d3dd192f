package command

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// maxCredentials bounds those of one service.
const maxCredentials = 100

var (
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// plainName is what stands in a path or a placeholder as it is.
	plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// ServiceSettings are chosen values of a service. Nil leaves a value as it is.
// Profile and Environment are chosen at creation, once.
type ServiceSettings struct {
	Profile     *string
	Environment *string
	Name        *string
	AuthType    *string
	Upstream    *string
	// Private lets the upstream be on an address that only the server's
	// operator may open. It counts for the upstream that it came with.
	Private *bool
}

// TakesTokens reports whether a service that is made so is called with tokens.
func (c ServiceSettings) TakesTokens() bool {
	return c.AuthType == nil || *c.AuthType == events.AuthOAuth
}

// FindService returns an organization's service.
func FindService(s *projections.State, organization, uuid string) (*projections.Service, error) {
	service, ok := s.Services.Get(uuid)
	if !ok || service.Organization != organization {
		return nil, ErrNotFound
	}
	return service, nil
}

// CreateService adds a service under a uuid that no organization ever used.
func CreateService(s *projections.State, target Target, chosen ServiceSettings) (Decision, error) {
	if _, ok := s.Organizations.Get(target.Organization); !ok {
		return Decision{}, ErrNotFound
	}
	if !uuidForm.MatchString(target.ID) {
		return Decision{}, Invalid("uuid must be a UUID in lower case")
	}
	if s.Services.Used(target.ID) {
		return Decision{}, &Error{KindConflict, "That uuid is or was in use"}
	}
	d := &events.ServiceCreated{ID: target.ID, AuthType: events.AuthOAuth}
	set(&d.Profile, chosen.Profile)
	set(&d.Environment, chosen.Environment)
	set(&d.AuthType, chosen.AuthType)
	if err := checkPlainName("profile", d.Profile); err != nil {
		return Decision{}, err
	}
	if err := checkPlainName("environment", d.Environment); err != nil {
		return Decision{}, err
	}
	if err := checkAuthType(d.AuthType); err != nil {
		return Decision{}, err
	}
	var err error
	if d.ServiceSettings, err = settleService(events.ServiceSettings{}, chosen, target.Held); err != nil {
		return Decision{}, err
	}
	return edit(target.Organization, 0, d)
}

// CreateServiceWithCredential adds a service as CreateService does, with its
// first OAuth client where it is called with tokens.
func CreateServiceWithCredential(s *projections.State, target Target, chosen ServiceSettings, clientID string, secret events.SecretDigest) (Decision, error) {
	dec, err := CreateService(s, target, chosen)
	if err == nil && chosen.TakesTokens() {
		dec.Events = append(dec.Events, &events.ServiceCredentialAdded{ID: target.ID, ClientID: clientID, Secret: &secret})
	}
	return dec, err
}

// UpdateService changes chosen settings, and turns authentication on if that is
// chosen; turning it off is DisableServiceAuth. Unless nil, expected lists the
// states that the caller is ready to change, by projections.Service.Changed;
// any other is KindPrecondition. A change of nothing is ErrUnchanged.
func UpdateService(s *projections.State, target Target, expected []events.Position, chosen ServiceSettings) (Decision, error) {
	service, err := FindService(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	if expected != nil && !slices.Contains(expected, service.Changed) {
		return Decision{}, &Error{KindPrecondition, "The service has changed; read it again"}
	}
	if chosen.Profile != nil && *chosen.Profile != service.Profile || chosen.Environment != nil && *chosen.Environment != service.Environment {
		return Decision{}, Invalid("profile and environment are chosen at creation and cannot be changed")
	}
	authType := service.AuthType
	set(&authType, chosen.AuthType)
	if err := checkAuthType(authType); err != nil {
		return Decision{}, err
	}
	settings, err := settleService(service.ServiceSettings, chosen, target.Held)
	if err != nil {
		return Decision{}, err
	}
	var changes []events.Data
	if settings != service.ServiceSettings {
		changes = append(changes, &events.ServiceUpdated{ID: service.ID, ServiceSettings: settings})
	}
	if authType == events.AuthOAuth && service.AuthType != events.AuthOAuth {
		changes = append(changes, &events.ServiceAuthEnabled{ID: service.ID})
	}
	if len(changes) == 0 {
		return Decision{}, ErrUnchanged
	}
	dec, err := edit(target.Organization, service.Revision, changes[0])
	dec.Events = changes
	return dec, err
}

// DisableServiceAuth lets everybody call a service and ends its tokens. It is a
// fact of its own, as all endings are: nothing that happens meanwhile undoes it.
func DisableServiceAuth(s *projections.State, target Target) (Decision, error) {
	service, err := FindService(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	if service.AuthType == events.AuthNone {
		return Decision{}, ErrUnchanged
	}
	return fact(target.Organization, &events.ServiceAuthDisabled{ID: service.ID})
}

// DeleteService ends a service, its credentials and their tokens, for good.
func DeleteService(s *projections.State, target Target) (Decision, error) {
	service, err := FindService(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	return fact(target.Organization, &events.ServiceDeleted{ID: service.ID})
}

// AddCredential gives a service one more OAuth client.
func AddCredential(s *projections.State, target Target, clientID string, secret events.SecretDigest) (Decision, error) {
	service, err := FindService(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	if len(service.Credentials) >= maxCredentials {
		return Decision{}, &Error{KindConflict, "The service has " + strconv.Itoa(maxCredentials) + " credentials; remove one first"}
	}
	return edit(target.Organization, service.Revision, &events.ServiceCredentialAdded{ID: service.ID, ClientID: clientID, Secret: &secret})
}

// RemoveCredential ends a credential and its tokens.
func RemoveCredential(s *projections.State, target Target, clientID string) (Decision, error) {
	service, err := FindService(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	if _, ok := service.Credential(clientID); !ok {
		return Decision{}, ErrNotFound
	}
	return fact(target.Organization, &events.ServiceCredentialRemoved{ID: service.ID, ClientID: clientID})
}

// settleService applies the chosen values to what a service has and checks the
// outcome.
func settleService(had events.ServiceSettings, chosen ServiceSettings, held []string) (events.ServiceSettings, error) {
	now := had
	set(&now.Name, chosen.Name)
	set(&now.Upstream, chosen.Upstream)
	now.Private = had.Private && now.Upstream == had.Upstream
	kept := now.Private
	set(&now.Private, chosen.Private)
	if err := checkName(now.Name); err != nil {
		return now, err
	}
	if err := checkUpstreamURL(now.Upstream); err != nil {
		return now, err
	}
	if u, err := url.Parse(now.Upstream); err != nil || namesPrivate(u) && !now.Private {
		return now, Invalid("upstream must be on a public address, unless private is set")
	}
	if now.Private && !kept && !slices.Contains(held, ScopeAdmin) {
		return now, &Error{KindForbidden, "private can be set only by a caller that holds " + ScopeAdmin}
	}
	return now, nil
}

func checkPlainName(field, name string) error {
	if !plainName.MatchString(name) {
		return Invalid("%s must be 1 to 64 of A-Z, a-z, 0-9, _ and -", field)
	}
	return nil
}

func checkAuthType(authType string) error {
	if authType != events.AuthOAuth && authType != events.AuthNone {
		return Invalid("authType must be oauth or none")
	}
	return nil
}

// checkUpstreamURL accepts where the server itself may send requests: an
// absolute http or https URL that every parser reads in one way.
func checkUpstreamURL(text string) error {
	if u, err := url.Parse(text); err != nil || !validUpstreamURL(text) || strings.ContainsAny(text, "\"<>^`{|}") || !validPort(u) {
		return Invalid("upstream must be an absolute http or https URL without user and fragment")
	}
	return nil
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}
