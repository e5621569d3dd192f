package command

import (
	"regexp"
	"slices"
	"strings"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Bounds of an organization.
const (
	maxCatalogue = 1000 // scopes
	maxRoutes    = 100  // per scope
	maxRoute     = 512  // characters
	maxPartnerID = 64   // characters
)

// organizationID is the form of an organization's id; it becomes part of
// subjects.
var organizationID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// NewOrganization is a tenant to be. A nil or empty catalogue accepts any
// scope.
type NewOrganization struct {
	ID        string
	Name      string
	PartnerID string
	Limits    events.Limits
	Scopes    []events.Scope
}

// CreateOrganization starts a tenant, with its catalogue in the same record.
func CreateOrganization(s *projections.State, in NewOrganization) (Decision, error) {
	if err := checkOrganization(s, in); err != nil {
		return Decision{}, err
	}
	if _, taken := s.Organizations.Get(in.ID); taken {
		return Decision{}, &Error{KindConflict, "That organization exists"}
	}
	dec, err := edit(in.ID, 0, &events.OrganizationCreated{
		ID: in.ID, Name: in.Name, PartnerID: in.PartnerID, Limits: in.Limits,
	})
	if len(in.Scopes) > 0 {
		dec.Events = append(dec.Events, &events.ScopesSet{ID: in.ID, Scopes: in.Scopes})
	}
	return dec, err
}

// OrganizationSettings are chosen values of a tenant's settings; nil leaves one
// as it is.
type OrganizationSettings struct {
	Name      *string
	PartnerID *string
	Limits    *events.Limits // replaced as a whole
}

// UpdateOrganization changes chosen settings. Unless nil, expected lists the
// revisions that the caller is ready to change; see UpdateApplication.
func UpdateOrganization(s *projections.State, organization string, expected []events.Position, chosen OrganizationSettings) (Decision, error) {
	o, err := findOrganization(s, organization, expected)
	if err != nil {
		return Decision{}, err
	}
	next := &events.OrganizationUpdated{ID: o.ID, Name: o.Name, PartnerID: o.PartnerID, Limits: o.Limits}
	set(&next.Name, chosen.Name)
	set(&next.PartnerID, chosen.PartnerID)
	set(&next.Limits, chosen.Limits)
	for _, err := range []error{checkName(next.Name), checkPartnerID(s, o.ID, next.PartnerID), checkLimits(next.Limits)} {
		if err != nil {
			return Decision{}, err
		}
	}
	return edit(o.ID, o.Revision, next)
}

func findOrganization(s *projections.State, id string, expected []events.Position) (*projections.Organization, error) {
	o, ok := s.Organizations.Get(id)
	if !ok {
		return nil, ErrNotFound
	}
	if expected != nil && !slices.Contains(expected, o.Revision) {
		return nil, &Error{KindPrecondition, "The organization has changed; read it again"}
	}
	return o, nil
}

// SetScopes replaces an organization's catalogue; expected is as in
// UpdateOrganization. Applications keep scopes that are no longer in it.
func SetScopes(s *projections.State, organization string, expected []events.Position, scopes []events.Scope) (Decision, error) {
	o, err := findOrganization(s, organization, expected)
	if err != nil {
		return Decision{}, err
	}
	if err := checkCatalogue(scopes); err != nil {
		return Decision{}, err
	}
	if scopes == nil {
		scopes = []events.Scope{}
	}
	return edit(organization, o.Revision, &events.ScopesSet{ID: organization, Scopes: scopes})
}

func checkOrganization(s *projections.State, in NewOrganization) error {
	if !organizationID.MatchString(in.ID) {
		return Invalid("id must be 1 to 40 of a-z, 0-9 and -")
	}
	for _, err := range []error{
		checkName(in.Name),
		checkPartnerID(s, in.ID, in.PartnerID),
		checkLimits(in.Limits),
		checkCatalogue(in.Scopes),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkPartnerID lets a partner id name one organization only: clients choose
// their tenant by it.
func checkPartnerID(s *projections.State, organization, partner string) error {
	if partner == "" {
		return nil
	}
	if !visible(partner, maxPartnerID) {
		return Invalid("partnerId must be 1 to %d printable ASCII characters without spaces", maxPartnerID)
	}
	for _, id := range s.Organizations.IDs() {
		if o, _ := s.Organizations.Get(id); id != organization && o.PartnerID == partner {
			return &Error{KindConflict, "That partnerId is in use"}
		}
	}
	return nil
}

func checkCatalogue(scopes []events.Scope) error {
	if len(scopes) > maxCatalogue {
		return Invalid("scopes must have at most %d entries", maxCatalogue)
	}
	names := make(map[string]bool, len(scopes))
	for i, scope := range scopes {
		switch {
		case !ValidScope(scope.Name):
			return Invalid("scopes[%d].name is not a scope", i)
		case slices.Contains(ManagementScopes, scope.Name) || scope.Name == ScopeOpenID:
			return Invalid("scopes[%d].name is one of the server's own scopes", i)
		case names[scope.Name]:
			return Invalid("scopes[%d].name is a repetition", i)
		case len(scope.Routes) > maxRoutes:
			return Invalid("scopes[%d].routes must have at most %d entries", i, maxRoutes)
		}
		names[scope.Name] = true
		if checkText("", scope.Description, maxDescription) != nil {
			return Invalid("scopes[%d].description must be text of at most %d characters", i, maxDescription)
		}
		if j := slices.IndexFunc(scope.Routes, func(r string) bool { return !validRoute(r) }); j >= 0 {
			return Invalid("scopes[%d].routes[%d] must be METHOD /path, with /* at its end at most", i, j)
		}
	}
	return nil
}

// validRoute accepts "METHOD /path"; see validPattern.
func validRoute(route string) bool {
	method, pattern, ok := strings.Cut(route, " ")
	return ok && len(route) <= maxRoute && method != "" &&
		strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && validPattern(pattern)
}

// Administrator is the application that opens an empty server.
type Administrator struct {
	Organization string
	ID           string
	ClientID     string
	Secret       events.SecretDigest
}

// Bootstrap decides the first organization and its administrator, in one
// record that a log holds at most once. With an administrator in the state it
// is a conflict.
func Bootstrap(s *projections.State, in Administrator) (Decision, error) {
	if HasAdministrator(s) {
		return Decision{}, &Error{KindConflict, "The server has an administrator"}
	}
	organization, err := CreateOrganization(s, NewOrganization{ID: in.Organization, Name: in.Organization})
	if err != nil {
		return Decision{}, err
	}
	if _, err := events.SubjectFor(in.Organization, &events.ApplicationCreated{ID: in.ID}); err != nil {
		return Decision{}, Invalid("That id cannot be used")
	}
	application := &events.ApplicationCreated{
		ID: in.ID, ClientID: in.ClientID, Secret: &in.Secret,
		ApplicationSettings: events.ApplicationSettings{
			Name: "Administrator", Scopes: slices.Clone(ManagementScopes),
		},
	}
	return Decision{
		Organization: in.Organization,
		Subject:      events.BootstrapSubject(),
		Events:       append(organization.Events, application),
		Guard:        new(events.Position),
	}, nil
}

// HasAdministrator reports whether an application holds grantlog:admin.
func HasAdministrator(s *projections.State) bool {
	for _, id := range s.Organizations.IDs() {
		for _, app := range s.Applications.After(id, 0, 0) {
			if slices.Contains(app.Scopes, ScopeAdmin) {
				return true
			}
		}
	}
	return false
}
