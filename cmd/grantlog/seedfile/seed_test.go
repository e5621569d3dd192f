package seedfile

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

func TestLoadReadsEveryKey(t *testing.T) {
	got, err := Load("testdata/full.yaml", environment(map[string]string{
		"AGENT_PASSWORD": "agent-password", "DEMO_SECRET": "demo-secret",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := &Seed{Organizations: []Organization{{
		ID: "acme", Name: "Acme", PartnerID: "10000", Limits: Limits{PerMinute: 500, PerHour: 10000},
		Scopes: []Scope{
			{Name: "read:customers", Description: "View customer information", Routes: []string{"GET /api/v1/customers/*"}},
			{Name: "write:customers", Description: "Create and update customers", Routes: []string{"POST /api/v1/customers/*", "PUT /api/v1/customers/*"}},
		},
		Upstreams: []Upstream{{
			Name: "api", URL: "http://127.0.0.1:9001", Paths: []string{"/api/v1/*"},
			Headers: map[string]string{"X-Provider": "Bearer ${f4w_access_token}"},
		}},
		Services: []Service{{
			UUID: "12345678-1234-1234-1234-123456789abc", Profile: "my-profile", Environment: "production",
			Name: "Quotes", AuthType: "oauth", Upstream: "http://127.0.0.1:9002",
		}},
		Users: []User{{
			Email: "agent@example.com", Password: "agent-password", PasswordEnv: "AGENT_PASSWORD", Role: "AGENT", SiteID: 10115,
		}},
		Providers: []Provider{{
			Name: "f4w", TokenURL: "http://127.0.0.1:9003/oauth/token", ClientID: "scheduler",
			ClientSecret: "f4w-secret", ClientSecretFile: "f4w.secret",
		}},
		Applications: []Application{
			{
				Name: "Production Integration", Scopes: []string{"read:customers"}, ClientID: "app_demo",
				ClientSecret: "demo-secret", ClientSecretEnv: "DEMO_SECRET", GrantTypes: []string{"client_credentials"},
			},
			{
				Name: "Command line", Description: "A public client", TokenLifetime: 600, SigningAlg: "PS256",
				Audience: "https://api.example.com", RedirectURIs: []string{"http://127.0.0.1/callback"},
				Limits: Limits{PerMinute: 5},
			},
		},
	}, {ID: "globex", Name: "globex"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// write puts a seed file of one organization into a fresh directory: body is
// what follows its id, from line 3 on.
func write(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(path, []byte("organizations:\n  - id: acme\n"+body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadNamesTheLine(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"unknown key":            {"    nmae: Acme\n", `3: unknown key "nmae"`},
		"unknown nested key":     {"    users:\n      - email: a@example.com\n        pasword: x\n", `5: unknown key "pasword"`},
		"duplicate key":          {"    name: a\n    name: b\n", `4: mapping key "name" already defined`},
		"bad id":                 {"  - id: Acme Corp\n", "3: an organization's id is 1 to 40"},
		"no id":                  {"  - name: x\n", "3: an organization's id is 1 to 40"},
		"long id":                {"  - id: " + strings.Repeat("a", 41) + "\n", "3: an organization's id is 1 to 40"},
		"same id":                {"  - id: acme\n", "3: organization acme stands twice"},
		"same partner":           {"    partnerId: x\n  - id: b\n    partnerId: x\n", "5: two organizations have this partnerId"},
		"zero limit":             {"    limits:\n      perMinute: 0\n", "4: perMinute must be from 1"},
		"negative limit":         {"    limits: {perHour: -1}\n", "3: perHour must be from 1"},
		"text for a number":      {"    limits: {perHour: many}\n", "3: want a whole number"},
		"scope with space":       {"    scopes:\n      - name: a b\n", "4: a scope is printable ASCII"},
		"scope with quote":       {"    scopes:\n      - name: 'a\"b'\n", "4: a scope is printable ASCII"},
		"same scope":             {"    scopes:\n      - name: a\n      - name: a\n", "5: scope a stands twice"},
		"route without method":   {"    scopes:\n      - name: a\n        routes:\n          - /x\n", "6: route: want a method and a path"},
		"route with dots":        {"    scopes:\n      - {name: a, routes: [\"GET /a/../b\"]}\n", "4: route: a path has no //"},
		"upstream without paths": {"    upstreams:\n      - {name: a, url: \"http://h\"}\n", "4: upstream a has no paths"},
		"upstream scheme":        {"    upstreams:\n      - {name: a, url: \"ftp://h\", paths: [/a]}\n", "4: url: want an absolute http"},
		"upstream header":        {"    upstreams:\n      - name: a\n        url: http://h\n        paths: [/a]\n        headers:\n          X: ${oops}\n", "8: header: the only placeholder"},
		"service uuid":           {"    services:\n      - {uuid: x-1, profile: a, environment: b, name: c, upstream: \"http://h\"}\n", "4: want a uuid"},
		"service auth":           {"    services:\n      - {uuid: 12345678-1234-1234-1234-123456789abc, profile: a, environment: b, name: c, authType: x, upstream: \"http://h\"}\n", "4: authType is oauth or none"},
		"bad email":              {"    users:\n      - {email: A <a@example.com>, password: x}\n", "4: want a plain email"},
		"same email":             {"    users:\n      - {email: a@example.com, password: x}\n      - {email: A@example.com, password: x}\n", "5: two users of the organization"},
		"no password":            {"    users:\n      - email: a@example.com\n", "4: password is missing"},
		"two passwords":          {"    users:\n      - email: a@example.com\n        password: x\n        passwordEnv: X\n", "5: give one of password, passwordEnv and passwordFile"},
		"variable not set":       {"    users:\n      - email: a@example.com\n        passwordEnv: ABSENT\n", `5: environment variable "ABSENT" is not set`},
		"empty password":         {"    users:\n      - {email: a@example.com, password: \"\"}\n", "4: password is empty"},
		"secret file is missing": {"    users:\n      - email: a@example.com\n        passwordFile: absent\n", "5: stat "},
		"provider url":           {"    providers:\n      - {name: a, tokenUrl: x, clientId: c}\n", "4: tokenUrl: want an absolute"},
		"provider client":        {"    providers:\n      - {name: a, tokenUrl: \"http://h\"}\n", "4: clientId is missing"},
		"no application name":    {"    applications:\n      - clientId: x\n", "4: name is missing or empty"},
		"lifetime":               {"    applications:\n      - {name: a, tokenLifetime: 59}\n", "4: tokenLifetime must be from 60"},
		"fractional lifetime":    {"    applications:\n      - {name: a, tokenLifetime: 60.5}\n", "4: "},
		"algorithm":              {"    applications:\n      - {name: a, signingAlg: none}\n", "4: signingAlg is ES256"},
		"same client id":         {"    applications:\n      - {name: a, clientId: c}\n      - {name: b, clientId: c}\n", "5: two applications have this clientId"},
		"same name":              {"    applications:\n      - {name: a}\n      - {name: a}\n", "5: two applications without a clientId"},
		"scope of application":   {"    applications:\n      - name: a\n        scopes:\n          - ok\n          - \"not ok\"\n", "7: not a scope"},
		"redirect":               {"    applications:\n      - {name: a, redirectUris: [\"https://h/#f\"]}\n", "4: redirect URI: a redirect URI has no user"},
		"grant type":             {"    applications:\n      - {name: a, grantTypes: [\"a b\"]}\n", "4: not a grant type"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, tc.body)
			_, err := Load(path, environment(nil))
			if err == nil {
				t.Fatalf("no error, want %s", tc.want)
			}
			if want := path + ":" + tc.want; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %s\nwant %s…", err, want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestMissingSeedFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "absent.yaml"), environment(nil)); !os.IsNotExist(unwrap(err)) {
		t.Errorf("got %v", err)
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		content string
		want    Secret
		fault   string
	}{
		"newline":      {"s3cret\n", "s3cret", ""},
		"crlf":         {"s3cret\r\n", "s3cret", ""},
		"spaces stay":  {" s3cret ", " s3cret ", ""},
		"empty":        {"\n", "", "file is empty"},
		"control byte": {"a\x00b", "", "has control characters"},
		"two lines":    {"a\nb\n", "", "has control characters"},
		"too large":    {strings.Repeat("x", maxSecretFile+1), "", "file is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			seed, err := Load(write(t, "    users:\n      - {email: a@example.com, passwordFile: "+file+"}\n"), environment(nil))
			if tc.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fault) {
					t.Errorf("got %v, want %s", err, tc.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := seed.Organizations[0].Users[0].Password; got.Reveal() != tc.want.Reveal() {
				t.Errorf("got %q, want %q", got.Reveal(), tc.want.Reveal())
			}
		})
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	seed, err := Load(write(t, "    users:\n      - {email: a@example.com, password: s3cret}\n"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "seed", seed, "password", seed.Organizations[0].Users[0].Password)
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s", seed, seed, *seed, seed.Organizations[0].Users[0].Password), log.String()} {
		if strings.Contains(shown, "s3cret") {
			t.Errorf("the secret is shown: %s", shown)
		}
	}
}

func TestErrorsDoNotShowSecrets(t *testing.T) {
	for _, body := range []string{
		"    users:\n      - {email: a@example.com, password: [s3cret]}\n",
		"    users:\n      - {email: a@example.com, password: {s3cret: x}}\n",
		"    users:\n      - {email: a@example.com, password: s3cret, siteId: x}\n",
		"    users:\n      - {email: a@example.com, password: s3cret, passwordEnv: X}\n",
		"    users:\n      - {email: a@example.com, password: \"s3cret\\u0001\"}\n",
		"    users:\n      - {email: a@example.com, password: \"s3cret}\n",
	} {
		_, err := Load(write(t, body), environment(nil))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", body, err)
		}
	}
}
