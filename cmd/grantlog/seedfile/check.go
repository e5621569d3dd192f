package seedfile

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/grantlog/grantlog/cmd/grantlog/strictyaml"
)

var (
	errTooLarge = errors.New("file is too large for a secret")
	errEmpty    = errors.New("file is empty")
)

// place is where a value stands in the document: keys and indexes.
type place []any

func (p place) sub(steps ...any) place { return append(slices.Clip(p), steps...) }

// checker walks a decoded seed, with the document at hand for line numbers.
type checker struct {
	doc       *strictyaml.Document
	dir       string
	lookupEnv func(string) (string, bool)

	organizations unique
	partners      unique
	clients       unique
	services      unique
}

// fault makes an error at the line of a place.
func (c *checker) fault(at place, format string, args ...any) error {
	return c.doc.Errorf(at, format, args...)
}

// unique remembers what was seen.
type unique map[string]bool

// add reports whether s is new.
func (u *unique) add(s string) bool {
	if *u == nil {
		*u = unique{}
	}
	isNew := !(*u)[s]
	(*u)[s] = true
	return isNew
}

var organizationID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

func (c *checker) seed(s *Seed) error {
	for i := range s.Organizations {
		if err := c.organization(place{"organizations", i}, &s.Organizations[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) organization(at place, o *Organization) error {
	switch {
	case !organizationID.MatchString(o.ID):
		return c.fault(at.sub("id"), "an organization's id is 1 to 40 of a-z, 0-9 and -")
	case !c.organizations.add(o.ID):
		return c.fault(at.sub("id"), "organization %s stands twice in the file", o.ID)
	case !printable(o.PartnerID, maxName):
		return c.fault(at.sub("partnerId"), "partnerId is longer than %d bytes or has control characters", maxName)
	case o.PartnerID != "" && !c.partners.add(o.PartnerID):
		return c.fault(at.sub("partnerId"), "two organizations have this partnerId")
	}
	if o.Name == "" {
		o.Name = o.ID
	}
	if err := c.text(at, "name", o.Name); err != nil {
		return err
	}
	if err := c.limits(at.sub("limits"), o.Limits); err != nil {
		return err
	}
	return first(
		each(at, "scopes", o.Scopes, c.scopes()),
		each(at, "upstreams", o.Upstreams, c.upstreams()),
		each(at, "services", o.Services, c.service),
		each(at, "users", o.Users, c.users()),
		each(at, "providers", o.Providers, c.providers()),
		each(at, "applications", o.Applications, c.applications()),
	)
}

// each returns a check of all items of a list.
func each[T any](at place, key string, items []T, check func(place, *T) error) func() error {
	return func() error {
		for i := range items {
			if err := check(at.sub(key, i), &items[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// first runs checks until one fails.
func first(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// limits must be positive where they are given: a zero reads like "nothing
// allowed" and would mean the default.
func (c *checker) limits(at place, l Limits) error {
	check := func(key string, n int) func() error {
		return func() error {
			if c.doc.Has(at.sub(key)) && (n < 1 || n > maxLimit) {
				return c.fault(at.sub(key), "%s must be from 1 to %d", key, maxLimit)
			}
			return nil
		}
	}
	return first(check("perMinute", l.PerMinute), check("perHour", l.PerHour))
}

func (c *checker) scopes() func(place, *Scope) error {
	var names unique
	return func(at place, s *Scope) error {
		switch {
		case !scopeToken(s.Name):
			return c.fault(at.sub("name"), "a scope is printable ASCII without space, quote and backslash (RFC 6749 section 3.3)")
		case !names.add(s.Name):
			return c.fault(at.sub("name"), "scope %s stands twice in the organization", s.Name)
		}
		for i, route := range s.Routes {
			if err := checkRoute(route); err != nil {
				return c.fault(at.sub("routes", i), "route: %v", err)
			}
		}
		return c.text(at, "description", s.Description)
	}
}

func (c *checker) upstreams() func(place, *Upstream) error {
	var names unique
	return func(at place, u *Upstream) error {
		switch {
		case !plainName.MatchString(u.Name):
			return c.fault(at.sub("name"), "an upstream's name is %s", plainNameForm)
		case !names.add(u.Name):
			return c.fault(at.sub("name"), "upstream %s stands twice in the organization", u.Name)
		case len(u.Paths) == 0:
			return c.fault(at, "upstream %s has no paths", u.Name)
		}
		if err := checkTemplate(u.URL); err != nil {
			return c.fault(at.sub("url"), "url: %v", err)
		}
		if err := checkURL(templateCall.ReplaceAllString(u.URL, "x")); err != nil {
			return c.fault(at.sub("url"), "url: %v", err)
		}
		for i, p := range u.Paths {
			if err := checkPath(p); err != nil {
				return c.fault(at.sub("paths", i), "path: %v", err)
			}
		}
		if err := checkTemplate(u.Body); err != nil {
			return c.fault(at.sub("body"), "body: %v", err)
		}
		for _, name := range slices.Sorted(maps.Keys(u.Headers)) {
			if err := checkHeader(name, u.Headers[name]); err != nil {
				return c.fault(at.sub("headers", name), "header: %v", err)
			}
		}
		return nil
	}
}

func (c *checker) service(at place, s *Service) error {
	if s.AuthType == "" {
		s.AuthType = "oauth"
	}
	switch {
	case !uuidForm.MatchString(s.UUID):
		return c.fault(at.sub("uuid"), "want a uuid in lower case")
	case !c.services.add(s.UUID):
		return c.fault(at.sub("uuid"), "service %s stands twice in the file", s.UUID)
	case !plainName.MatchString(s.Profile):
		return c.fault(at.sub("profile"), "a profile is %s", plainNameForm)
	case !plainName.MatchString(s.Environment):
		return c.fault(at.sub("environment"), "an environment is %s", plainNameForm)
	case s.AuthType != "oauth" && s.AuthType != "none":
		return c.fault(at.sub("authType"), "authType is oauth or none")
	}
	if err := c.required(at, "name", s.Name); err != nil {
		return err
	}
	if err := checkURL(s.Upstream); err != nil {
		return c.fault(at.sub("upstream"), "upstream: %v", err)
	}
	return nil
}

// text checks a free text.
func (c *checker) text(at place, key, s string) error {
	if !printable(s, maxText) {
		return c.fault(at.sub(key), "%s is longer than %d bytes or has control characters", key, maxText)
	}
	return nil
}

func (c *checker) required(at place, key, s string) error {
	if strings.TrimSpace(s) == "" {
		return c.fault(at.sub(key), "%s is missing or empty", key)
	}
	return c.text(at, key, s)
}
