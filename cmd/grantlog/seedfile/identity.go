package seedfile

import (
	"net/mail"
	"slices"
	"strings"
)

func (c *checker) users() func(place, *User) error {
	var emails unique
	return func(at place, u *User) error {
		a, err := mail.ParseAddress(u.Email)
		switch {
		case err != nil || a.Address != u.Email || len(u.Email) > maxEmail:
			return c.fault(at.sub("email"), "want a plain email address")
		case !emails.add(strings.ToLower(u.Email)):
			return c.fault(at.sub("email"), "two users of the organization have this email")
		case u.SiteID < 0:
			return c.fault(at.sub("siteId"), "siteId must not be negative")
		}
		if err := c.text(at, "role", u.Role); err != nil {
			return err
		}
		return c.secret(at, "password", &u.Password, u.PasswordEnv, u.PasswordFile, true)
	}
}

func (c *checker) providers() func(place, *Provider) error {
	var names unique
	return func(at place, p *Provider) error {
		switch {
		case !plainName.MatchString(p.Name):
			return c.fault(at.sub("name"), "a provider's name is %s", plainNameForm)
		case !names.add(p.Name):
			return c.fault(at.sub("name"), "provider %s stands twice in the organization", p.Name)
		}
		if err := checkURL(p.TokenURL); err != nil {
			return c.fault(at.sub("tokenUrl"), "tokenUrl: %v", err)
		}
		if p.RevokeURL != "" {
			if err := checkURL(p.RevokeURL); err != nil {
				return c.fault(at.sub("revokeUrl"), "revokeUrl: %v", err)
			}
		}
		if err := c.required(at, "clientId", p.ClientID); err != nil {
			return err
		}
		if err := c.text(at, "scope", p.Scope); err != nil {
			return err
		}
		return c.secret(at, "clientSecret", &p.ClientSecret, p.ClientSecretEnv, p.ClientSecretFile, false)
	}
}

var signingAlgs = []string{"", "ES256", "RS256", "PS256", "EdDSA"}

func (c *checker) applications() func(place, *Application) error {
	var names unique
	return func(at place, a *Application) error {
		if err := c.required(at, "name", a.Name); err != nil {
			return err
		}
		switch {
		case a.ClientID == "" && !names.add(a.Name):
			return c.fault(at.sub("name"), "two applications without a clientId have this name")
		case !visible(a.ClientID, maxName):
			return c.fault(at.sub("clientId"), "clientId is longer than %d bytes or not visible ASCII", maxName)
		case a.ClientID != "" && !c.clients.add(a.ClientID):
			return c.fault(at.sub("clientId"), "two applications have this clientId")
		case c.doc.Has(at.sub("tokenLifetime")) && (a.TokenLifetime < 60 || a.TokenLifetime > 86400):
			return c.fault(at.sub("tokenLifetime"), "tokenLifetime must be from 60 to 86400 seconds")
		case !slices.Contains(signingAlgs, a.SigningAlg):
			return c.fault(at.sub("signingAlg"), "signingAlg is ES256, RS256, PS256 or EdDSA")
		}
		return first(
			func() error { return c.text(at, "description", a.Description) },
			func() error { return c.text(at, "audience", a.Audience) },
			func() error { return c.limits(at.sub("limits"), a.Limits) },
			func() error { return c.grants(at, a) },
			func() error {
				return c.secret(at, "clientSecret", &a.ClientSecret, a.ClientSecretEnv, a.ClientSecretFile, false)
			},
		)
	}
}

// grants checks the lists of an application.
func (c *checker) grants(at place, a *Application) error {
	var scopes, grants unique
	for i, s := range a.Scopes {
		if !scopeToken(s) || !scopes.add(s) {
			return c.fault(at.sub("scopes", i), "not a scope (RFC 6749 section 3.3), or given twice")
		}
	}
	for i, g := range a.GrantTypes {
		if !grantType.MatchString(g) || !grants.add(g) {
			return c.fault(at.sub("grantTypes", i), "not a grant type (RFC 6749 appendix A.10), or given twice")
		}
	}
	for i, uri := range a.RedirectURIs {
		if err := checkRedirect(uri); err != nil {
			return c.fault(at.sub("redirectUris", i), "redirect URI: %v", err)
		}
	}
	return nil
}
