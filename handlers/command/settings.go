package command

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Bounds of what an application may be given.
const (
	maxName         = 200  // characters
	maxDescription  = 2000 // characters
	maxScopes       = 100
	maxAudience     = 512 // characters
	maxRedirectURIs = 20
	maxRequests     = 1_000_000_000

	// MinTokenLifetime is the shortest lifetime of access tokens, in seconds.
	MinTokenLifetime = 60
)

var (
	signingAlgs = []string{"ES256", "RS256", "PS256", "EdDSA"}
	grantTypes  = []string{"client_credentials", "password", "refresh_token"}
)

// ScopeOpenID asks for an identity (OpenID Connect Core section 3.1.2.1). It
// is always known.
const ScopeOpenID = "openid"

// Settings are chosen values of an application's settings. Nil leaves a value
// as it is: an empty slice is a choice, a nil one is none.
type Settings struct {
	Name          *string
	Description   *string
	Scopes        []string
	TokenLifetime *int // seconds
	SigningAlg    *string
	Audience      *string
	Limits        *events.Limits // replaced as a whole
	GrantTypes    []string
	RedirectURIs  []string
}

// settle applies the chosen values to what an application has and checks the
// outcome. Scopes, lifetime and algorithm that it already had may stay, even if
// they could not be chosen today.
func settle(o *projections.Organization, had events.ApplicationSettings, public bool, chosen Settings, held []string) (events.ApplicationSettings, error) {
	a := had
	set(&a.Name, chosen.Name)
	set(&a.Description, chosen.Description)
	set(&a.TokenLifetime, chosen.TokenLifetime)
	set(&a.SigningAlg, chosen.SigningAlg)
	set(&a.Audience, chosen.Audience)
	set(&a.Limits, chosen.Limits)
	setList(&a.Scopes, chosen.Scopes)
	setList(&a.GrantTypes, chosen.GrantTypes)
	setList(&a.RedirectURIs, chosen.RedirectURIs)
	a.Scopes = append([]string{}, a.Scopes...) // written as [], never as null
	for _, err := range []error{
		checkName(a.Name),
		checkText("description", a.Description, maxDescription),
		checkScopes(o, had.Scopes, a.Scopes, held),
		checkLifetime(chosen.TokenLifetime),
		checkAlg(chosen.SigningAlg),
		checkText("audience", a.Audience, maxAudience),
		checkLimits(a.Limits),
		checkGrantTypes(a.GrantTypes, public),
		checkRedirectURIs(a.RedirectURIs),
	} {
		if err != nil {
			return events.ApplicationSettings{}, err
		}
	}
	return a, nil
}

func set[T any](value, chosen *T) {
	if chosen != nil {
		*value = *chosen
	}
}

// setList leaves an empty choice as nil, as it comes back from the log.
func setList(value *[]string, chosen []string) {
	if chosen != nil {
		*value = append([]string(nil), chosen...)
	}
}

func checkName(name string) error {
	if strings.TrimSpace(name) == "" {
		return Invalid("name is required")
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return Invalid("name must not contain control characters")
	}
	return checkText("name", name, maxName)
}

// checkText accepts text of at most limit characters; line breaks and tabs
// are the only control characters in it.
func checkText(field, text string, limit int) error {
	if !utf8.ValidString(text) {
		return Invalid("%s is not valid UTF-8", field)
	}
	if utf8.RuneCountInString(text) > limit {
		return Invalid("%s must have at most %d characters", field, limit)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) }) {
		return Invalid("%s must not contain control characters", field)
	}
	return nil
}

// checkScopes decides what may be given to an application. A scope that it
// already has stays, whoever edits and whatever the catalogue now says.
func checkScopes(o *projections.Organization, had, scopes, held []string) error {
	if len(scopes) > maxScopes {
		return Invalid("scopes must have at most %d entries", maxScopes)
	}
	for i, scope := range scopes {
		switch {
		case !ValidScope(scope):
			return Invalid("scopes[%d] is not a scope", i)
		case slices.Contains(scopes[:i], scope):
			return Invalid("scopes[%d] is a repetition", i)
		case slices.Contains(had, scope), scope == ScopeOpenID:
		case slices.Contains(ManagementScopes, scope):
			if !holds(held, scope) {
				return &Error{KindForbidden, "A management scope can be given only by a caller that holds it"}
			}
		case !o.Knows(scope):
			return Invalid("scopes[%d] is not in the organization's catalogue", i)
		}
	}
	return nil
}

// holds reports whether a caller that holds the scopes may give this one away;
// grantlog:admin stands for every management scope.
func holds(held []string, scope string) bool {
	return slices.Contains(held, scope) || slices.Contains(held, ScopeAdmin)
}

func checkLifetime(seconds *int) error {
	if longest := int(projections.MaxTokenLifetime.Seconds()); seconds != nil && (*seconds < MinTokenLifetime || *seconds > longest) {
		return Invalid("tokenLifetime must be from %d to %d seconds", MinTokenLifetime, longest)
	}
	return nil
}

func checkAlg(alg *string) error {
	if alg != nil && !slices.Contains(signingAlgs, *alg) {
		return Invalid("signingAlg must be one of %s", strings.Join(signingAlgs, ", "))
	}
	return nil
}

func checkLimits(l events.Limits) error {
	if l.PerMinute < 0 || l.PerHour < 0 || l.PerMinute > maxRequests || l.PerHour > maxRequests {
		return Invalid("limits must be from 0 to %d requests", maxRequests)
	}
	return nil
}

func checkGrantTypes(types []string, public bool) error {
	for i, t := range types {
		switch {
		case !slices.Contains(grantTypes, t):
			return Invalid("grantTypes must be among %s", strings.Join(grantTypes, ", "))
		case slices.Contains(types[:i], t):
			return Invalid("grantTypes[%d] is a repetition", i)
		case public && t == "client_credentials":
			return Invalid("A public client cannot use client_credentials: it has no secret")
		}
	}
	return nil
}

func checkRedirectURIs(uris []string) error {
	if len(uris) > maxRedirectURIs {
		return Invalid("redirectUris must have at most %d entries", maxRedirectURIs)
	}
	for i, uri := range uris {
		if slices.Contains(uris[:i], uri) {
			return Invalid("redirectUris[%d] is a repetition", i)
		}
		if !ValidRedirectURI(uri) {
			return Invalid("redirectUris[%d] must be an absolute https URL, or http on a loopback address, without user and fragment", i)
		}
	}
	return nil
}
