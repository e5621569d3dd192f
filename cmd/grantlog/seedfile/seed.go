// Package seedfile reads the file that --seed names: the organizations,
// scopes, services, users, providers and applications that a server shall
// have. It checks what can be seen from the file alone and resolves every
// secret; what it returns is applied elsewhere, against the state of the log.
//
// A fault is a *strictyaml.Error of one line, with the file and line of the
// key. No error and no formatted value shows a secret.
package seedfile

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/grantlog/grantlog/cmd/grantlog/strictyaml"
)

// Seed is the whole file.
type Seed struct {
	Organizations []Organization `yaml:"organizations"`
}

// Organization is a tenant and what it owns.
type Organization struct {
	ID           string        `yaml:"id"`        // [a-z0-9-]{1,40}, unique
	Name         string        `yaml:"name"`      // the id if the file has none
	PartnerID    string        `yaml:"partnerId"` // unique, may be empty
	Limits       Limits        `yaml:"limits"`
	Scopes       []Scope       `yaml:"scopes"`
	Upstreams    []Upstream    `yaml:"upstreams"`
	Services     []Service     `yaml:"services"`
	Users        []User        `yaml:"users"`
	Providers    []Provider    `yaml:"providers"`
	Applications []Application `yaml:"applications"`
}

// Limits are request quotas. Zero: the default of the level above.
type Limits struct {
	PerMinute int `yaml:"perMinute"`
	PerHour   int `yaml:"perHour"`
}

// Scope is an entry of the organization's catalogue.
type Scope struct {
	Name        string   `yaml:"name"` // a scope-token of RFC 6749 section 3.3
	Description string   `yaml:"description"`
	Routes      []string `yaml:"routes"` // "METHOD /path", a last /* matches what is below
}

// Upstream is where the gateway sends guarded requests.
type Upstream struct {
	Name      string            `yaml:"name"`
	URL       string            `yaml:"url"`       // may contain ${NAME_access_token}
	Paths     []string          `yaml:"paths"`     // at least one; a last /* matches what is below
	Headers   map[string]string `yaml:"headers"`   // values may contain ${NAME_access_token}
	Body      string            `yaml:"body"`      // sent instead of the caller's; may contain ${NAME_access_token}
	PassToken bool              `yaml:"passToken"` // the caller's Authorization goes along
}

// Service is a callable service with OAuth credentials of its own.
type Service struct {
	UUID        string `yaml:"uuid"` // lower case, unique
	Profile     string `yaml:"profile"`
	Environment string `yaml:"environment"`
	Name        string `yaml:"name"`
	AuthType    string `yaml:"authType"` // "oauth" or "none"
	Upstream    string `yaml:"upstream"` // URL
}

// User is somebody who logs in with a password.
type User struct {
	Email        string `yaml:"email"` // unique in the organization, without regard to case
	Password     Secret `yaml:"password"`
	PasswordEnv  string `yaml:"passwordEnv"`
	PasswordFile string `yaml:"passwordFile"`
	Role         string `yaml:"role"`
	SiteID       int64  `yaml:"siteId"`
}

// Provider is a third party that issues tokens for the organization's users.
type Provider struct {
	Name             string `yaml:"name"` // the NAME of ${NAME_access_token}
	TokenURL         string `yaml:"tokenUrl"`
	RevokeURL        string `yaml:"revokeUrl"`
	ClientID         string `yaml:"clientId"`
	ClientSecret     Secret `yaml:"clientSecret"` // empty: a public client of the provider
	ClientSecretEnv  string `yaml:"clientSecretEnv"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	Scope            string `yaml:"scope"`
}

// Application is an OAuth client. It is recognized on the next start by its
// client id, or by its name where the file leaves the client id to the server.
type Application struct {
	Name             string   `yaml:"name"`
	Description      string   `yaml:"description"`
	Scopes           []string `yaml:"scopes"`
	ClientID         string   `yaml:"clientId"`
	ClientSecret     Secret   `yaml:"clientSecret"` // empty: a public client
	ClientSecretEnv  string   `yaml:"clientSecretEnv"`
	ClientSecretFile string   `yaml:"clientSecretFile"`
	GrantTypes       []string `yaml:"grantTypes"`
	RedirectURIs     []string `yaml:"redirectUris"`
	TokenLifetime    int      `yaml:"tokenLifetime"` // seconds, 60…86400; 0: default
	SigningAlg       string   `yaml:"signingAlg"`    // ES256, RS256, PS256, EdDSA; empty: default
	Audience         string   `yaml:"audience"`
	Limits           Limits   `yaml:"limits"`
}

// Load reads the file at path. Secrets come from the file itself, from
// lookupEnv, or from files whose relative paths start at the seed file's
// directory.
func Load(path string, lookupEnv func(string) (string, bool)) (*Seed, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("seed file: %w", err)
	}
	doc, err := strictyaml.Parse(path, data)
	if err != nil {
		return nil, err
	}
	seed := &Seed{}
	if err := doc.Decode(seed); err != nil {
		return nil, err
	}
	c := &checker{doc: doc, dir: filepath.Dir(path), lookupEnv: lookupEnv}
	return seed, c.seed(seed)
}
