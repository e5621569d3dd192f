package events

import "fmt"

// Subjects of the stream. They are made here and nowhere else, from
// server-made ids only, so that one aggregate has exactly one guard string.
const (
	// SubjectAll is what the stream captures.
	SubjectAll = "grantlog.>"

	subjectPrefix = "grantlog."
)

// Family says how the events of a type are written.
type Family int

const (
	// FamilyTokens: paged, conflict-free, all organizations together. An access
	// token and the refresh token that goes with it stand in one page.
	FamilyTokens Family = iota + 1
	// FamilyRevocations: paged, conflict-free, every ending of one organization.
	FamilyRevocations
	// FamilyAggregate: one subject per edited thing, compare-and-swap.
	FamilyAggregate
	// FamilyBeacons: paged, conflict-free.
	FamilyBeacons
	// FamilyUsage: paged, conflict-free, all organizations together.
	FamilyUsage
	// FamilyLogins: paged, conflict-free, all organizations together.
	FamilyLogins
	// FamilyBeside: in records of other families, on their subjects.
	FamilyBeside
)

// TokensSubject carries issuances of all organizations, and presentations of
// refresh tokens.
func TokensSubject() string { return subjectPrefix + "tokens" }

// RevocationsSubject carries every ending of an organization: the one
// permission line that a revocation consumer needs.
func RevocationsSubject(organization string) string {
	return subjectPrefix + "revocations." + organization
}

// BeaconsSubject carries freshness proofs.
func BeaconsSubject() string { return subjectPrefix + "beacons" }

// UsageSubject carries every replica's accounts of guarded calls.
func UsageSubject() string { return subjectPrefix + "usage" }

// LoginsSubject carries failed logins.
func LoginsSubject() string { return subjectPrefix + "logins" }

// UsersSubject guards the users of an organization as a whole: that no two have
// one email address is not to be seen from any one of them.
func UsersSubject(organization string) string { return subjectPrefix + "users." + organization }

// ApplicationSubject guards the edits of an application.
func ApplicationSubject(organization, id string) string {
	return subjectPrefix + "applications." + organization + "." + id
}

// ServiceSubject guards the edits of a service and the adding of credentials.
func ServiceSubject(organization, uuid string) string {
	return subjectPrefix + "services." + organization + "." + uuid
}

// OrganizationSubject guards the edits of an organization and its catalogue.
func OrganizationSubject(id string) string { return subjectPrefix + "organizations." + id }

// ProviderSubject guards the settings of a provider of third-party tokens.
func ProviderSubject(organization, name string) string {
	return subjectPrefix + "providers." + organization + "." + name
}

// AuthenticationSubject guards everything that happens to an authentication.
func AuthenticationSubject(organization, id string) string {
	return subjectPrefix + "authentications." + organization + "." + id
}

// WebhookSubject guards everything that happens to a webhook.
func WebhookSubject(organization, id string) string {
	return WebhooksSubject(organization) + "." + id
}

// WebhooksSubject begins the subjects of an organization's webhooks.
func WebhooksSubject(organization string) string { return subjectPrefix + "webhooks." + organization }

// KeysSubject guards the set of signing keys.
func KeysSubject() string { return subjectPrefix + "keys" }

// SealingSubject guards the creation of data keys.
func SealingSubject() string { return subjectPrefix + "sealing" }

// BootstrapSubject guards the first administrator.
func BootstrapSubject() string { return subjectPrefix + "bootstrap" }

// LogSubject carries what happened to the log as a whole.
func LogSubject() string { return subjectPrefix + "log" }

// CheckSubjectToken reports an id that must not become part of a subject.
func CheckSubjectToken(id string) error {
	if id == "" || len(id) > 64 {
		return fmt.Errorf("events: id of %d characters in a subject", len(id))
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return fmt.Errorf("events: byte %#x in an id of a subject", c)
		}
	}
	return nil
}
