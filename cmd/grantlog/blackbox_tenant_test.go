package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Two tenants, each with an administrator of its own applications.
const tenantSeed = `
organizations:
  - id: acme
    name: Acme
    scopes:
      - {name: "read:customers", description: View customer information, routes: ["GET /api/v1/customers/*"]}
      - {name: "write:customers", description: Create and update customers, routes: ["POST /api/v1/customers/*", "PUT /api/v1/customers/*"]}
    applications:
      - {name: Manager, clientId: app_acme, clientSecretEnv: MANAGER_SECRET, scopes: ["applications:read", "applications:write", "tokens:introspect", "tokens:revoke", "events:read", "revocations:read"]}
  - id: globex
    name: Globex
    applications:
      - {name: Manager, clientId: app_globex, clientSecretEnv: MANAGER_SECRET, scopes: ["applications:read", "applications:write", "tokens:introspect", "tokens:revoke", "events:read", "revocations:read"]}
`

const managerSecret = "manager-0123456789-0123456789-0123456789-abcdef"

func startTenants(t *testing.T) *server {
	t.Helper()
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", tenantSeed))
	s.env = []string{"MANAGER_SECRET=" + managerSecret}
	s.start()
	return s
}

// tenant returns a token of an organization's manager.
func (s *server) tenant(organization string) string {
	s.t.Helper()
	return s.token(application{ClientID: "app_" + organization, ClientSecret: managerSecret})
}

// Section 3, SECURITY.md (Zitadel CVE-2025-64431): what belongs to another
// organization is not found, in every operation, and stays as it was.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	s := startTenants(t)
	acme, globex := s.tenant("acme"), s.tenant("globex")
	app := s.create(acme)
	token := s.token(app)
	jti := s.introspect(app, token).ID
	before := s.get(app.path(), bearer(acme)).ok()
	position := s.position()

	for name, a := range map[string]answer{
		"read":       s.get(app.path(), bearer(globex)),
		"tokens":     s.get(app.path("tokens"), bearer(globex)),
		"update":     s.json(http.MethodPut, app.path(), settings{"name": "Taken over"}, bearer(globex)),
		"delete":     s.do(http.MethodDelete, app.path(), "", "", bearer(globex)),
		"secret":     s.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(globex)),
		"revoke all": s.do(http.MethodPost, app.path("revoke-tokens"), "", "", bearer(globex)),
		"revoke one": s.do(http.MethodDelete, "/oauth/tokens/"+jti, "", "", bearer(globex)),
	} {
		if a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	// The ways to name an organization do not help.
	for _, path := range []string{app.path() + "?organization=acme", "/oauth/applications?organization=acme", app.path("tokens") + "?organization=acme"} {
		if a := s.get(path, bearer(globex)); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := s.json(http.MethodPost, "/oauth/applications?organization=acme", settings{"name": "x", "scopes": []string{}}, bearer(globex)); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
		t.Errorf("create elsewhere: %d", a.status)
	}
	s.get("/oauth/organizations", bearer(globex)).want(http.StatusForbidden)

	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}
	s.get(app.path(), bearer(acme)).exactly(http.StatusOK, strings.TrimSpace(string(before.body)))
	s.live(app, token)

	// Introspection: as unknown, for clients and for bearers.
	stranger := s.create(globex)
	s.dead(stranger, token)
	s.form("/oauth/introspect", []string{"token", token}, bearer(globex)).exactly(http.StatusOK, inactive)
	if !as[introspection](s.form("/oauth/introspect", []string{"token", token}, bearer(acme)).ok()).Active {
		t.Error("the own organization does not see the token")
	}
	if !as[introspection](s.form("/oauth/introspect", []string{"token", token}, bearer(s.admin())).ok()).Active {
		t.Error("the administrator does not see the token")
	}
}

// Section 3: lists show the own organization; grantlog:admin sees all and may
// name one. A cursor of one list does not open another.
func TestTenantLists(t *testing.T) {
	t.Parallel()
	s := startTenants(t)
	acme, globex, admin := s.tenant("acme"), s.tenant("globex"), s.admin()
	var ours, theirs []application
	for range 3 {
		ours = append(ours, s.create(acme))
		theirs = append(theirs, s.create(globex))
	}
	check := func(what, token, query string, want ...application) {
		t.Helper()
		var got []application
		for _, a := range s.list(token, query) {
			if a.Name != "Manager" && a.Name != "Administrator" {
				got = append(got, a)
			}
		}
		if fmt.Sprint(ids(got)) != fmt.Sprint(ids(want)) {
			t.Errorf("%s: %v, want %v", what, ids(got), ids(want))
		}
	}
	check("acme", acme, "limit=2", ours...)
	check("globex", globex, "limit=2", theirs...)
	check("admin", admin, "limit=2", append(append([]application{}, ours...), theirs...)...)
	check("admin in acme", admin, "limit=2&organization=acme", ours...)
	check("acme by its name", acme, "organization=acme", ours...)
	s.get("/oauth/applications?organization=none", bearer(admin)).want(http.StatusNotFound)

	cursor := as[applicationList](s.get("/oauth/applications?limit=1", bearer(acme)).ok()).NextCursor
	s.get("/oauth/applications?cursor="+cursor, bearer(acme)).ok()
	s.get("/oauth/applications?cursor="+cursor, bearer(globex)).want(http.StatusBadRequest)
	s.get("/oauth/applications?organization=globex&cursor="+cursor, bearer(admin)).want(http.StatusBadRequest)
	s.get(ours[0].path("tokens")+"?cursor="+cursor, bearer(acme)).want(http.StatusBadRequest)
}

// Section 3: the administrator creates where it says; a catalogue, where there
// is one, bounds the scopes, and is checked on update too.
func TestScopeCatalogue(t *testing.T) {
	t.Parallel()
	s := startTenants(t)
	admin, acme, globex := s.admin(), s.tenant("acme"), s.tenant("globex")
	create := func(path, token string, scopes ...string) answer {
		return s.json(http.MethodPost, path, settings{"name": "x", "scopes": scopes}, bearer(token))
	}
	if app := as[application](create("/oauth/applications?organization=acme", admin, "read:customers").want(http.StatusCreated)); app.OrganizationID != "acme" {
		t.Errorf("created in %s", app.OrganizationID)
	}
	create("/oauth/applications", acme, "read:entitlements").want(http.StatusBadRequest)
	create("/oauth/applications", acme, "read:customers", "openid").want(http.StatusCreated)
	create("/oauth/applications", globex, "anything-goes", "read:entitlements").want(http.StatusCreated)
	app := s.create(acme)
	s.json(http.MethodPut, app.path(), settings{"scopes": []string{"read:entitlements"}}, bearer(acme)).want(http.StatusBadRequest)

	// A management scope is given only by who holds it.
	create("/oauth/applications", acme, "applications:read").want(http.StatusCreated)
	create("/oauth/applications", acme, "grantlog:admin").want(http.StatusForbidden)
	create("/oauth/applications", acme, "users:write").want(http.StatusForbidden)
	s.json(http.MethodPut, app.path(), settings{"scopes": []string{"grantlog:admin"}}, bearer(acme)).want(http.StatusForbidden)
	create("/oauth/applications?organization=acme", admin, "users:write").want(http.StatusCreated)
}
