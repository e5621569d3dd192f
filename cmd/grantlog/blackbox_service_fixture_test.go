package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// upstream is a real HTTP server behind a service; it notes what it was asked.
type upstream struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

type call struct {
	method, path string
	header       http.Header
	body         string
}

// startUpstream answers {"result": <the body>}.
func startUpstream(t testing.TB) *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller, or the server for it, broke off
		}
		u.mu.Lock()
		u.calls = append(u.calls, call{r.Method, r.URL.RequestURI(), r.Header.Clone(), string(body)})
		u.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"result":%s}`, body)
	}))
	t.Cleanup(u.Close)
	return u
}

// seen returns the calls so far.
func (u *upstream) seen() []call {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.calls)
}

// servicesSeed has two organizations: one with a service that asks for tokens,
// one that asks for none, and one in another environment, the other with one.
const servicesSeed = `
organizations:
  - id: acme
    name: Acme
    services:
      - {uuid: 12345678-1234-1234-1234-123456789abc, profile: my-profile, environment: production, name: Quotes, authType: oauth, upstream: "%[1]s/quotes?v=1"}
      - {uuid: 12345678-1234-1234-1234-00000000beef, profile: my-profile, environment: production, name: Open, authType: none, upstream: "%[1]s/open"}
      - {uuid: 12345678-1234-1234-1234-000000000de0, profile: my-profile, environment: development, name: Quotes, authType: oauth, upstream: "%[1]s/development"}
    applications:
      - {name: Manager, clientId: app_acme, clientSecretEnv: MANAGER_SECRET, scopes: ["services:read", "services:write", "applications:read", "applications:write", "tokens:introspect", "tokens:revoke"]}
  - id: globex
    name: Globex
    services:
      - {uuid: 12345678-1234-1234-1234-000000000b0e, profile: my-profile, environment: production, name: Theirs, authType: oauth, upstream: "%[1]s/theirs"}
    applications:
      - {name: Manager, clientId: app_globex, clientSecretEnv: MANAGER_SECRET, scopes: ["services:read", "services:write", "tokens:introspect"]}
`

var (
	quotes      = service{UUID: "12345678-1234-1234-1234-123456789abc", Profile: "my-profile", Environment: "production"}
	openService = service{UUID: "12345678-1234-1234-1234-00000000beef", Profile: "my-profile", Environment: "production"}
	development = service{UUID: "12345678-1234-1234-1234-000000000de0", Profile: "my-profile", Environment: "development"}
	theirs      = service{UUID: "12345678-1234-1234-1234-000000000b0e", Profile: "my-profile", Environment: "production"}
)

func startServices(t *testing.T) *server {
	t.Helper()
	s, _ := startServicesOn(t, startUpstream(t))
	return s
}

func startServicesOn(t *testing.T, u *upstream) (*server, *upstream) {
	t.Helper()
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", fmt.Sprintf(servicesSeed, u.URL)))
	s.env = []string{"MANAGER_SECRET=" + managerSecret}
	s.start()
	return s, u
}

// serviceForm is the seed's request, with values replaced (empty: left out).
func serviceForm(v service, a application, replace ...string) []string {
	values := []string{
		"grant_type", "client_credentials", "client_id", a.ClientID, "client_secret", a.ClientSecret,
		"profile", v.Profile, "environment", v.Environment, "service_uuid", v.UUID,
	}
	for i := 0; i < len(replace); i += 2 {
		at := slices.Index(values, replace[i])
		if replace[i+1] == "" {
			values = slices.Delete(values, at, at+2)
		} else {
			values[at+1] = replace[i+1]
		}
	}
	return values
}

func (s *server) serviceToken(v service, a application) string {
	s.t.Helper()
	return as[tokenResponse](s.form("/oauth/token", serviceForm(v, a)).ok()).AccessToken
}

// post calls a service.
func (s *server) post(v service, body string, opts ...option) answer {
	s.t.Helper()
	return s.do(http.MethodPost, v.call(), "application/json", body, opts...)
}
