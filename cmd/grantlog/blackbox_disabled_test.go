package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/grantlog/grantlog/projections/resource"
)

// disabledSeed is an organization in which everything that gives tokens works.
const disabledSeed = `
organizations:
  - id: acme
    name: Acme
    partnerId: "10000"
    scopes: [{name: "read:things", routes: ["GET /things/*"]}]
    upstreams: [{name: things, url: "%[1]s", paths: ["/things/*"]}]
    services:
      - {uuid: 12345678-1234-1234-1234-123456789abc, profile: my-profile, environment: production, name: Quotes, authType: oauth, upstream: "%[1]s"}
      - {uuid: 12345678-1234-1234-1234-00000000beef, profile: my-profile, environment: production, name: Open, authType: none, upstream: "%[1]s"}
    users: [{email: "agent@example.com", passwordEnv: AGENT_PASSWORD, role: AGENT, siteId: 7}]
    applications:
      - {name: Mobile, clientId: app_mobile, scopes: [openid, "read:things"], grantTypes: [password, refresh_token]}
      - {name: Backend, clientId: app_backend, clientSecretEnv: USERS_SECRET, scopes: ["read:things"]}
`

// disabling is a server with that organization, and what speaks for it.
type disabling struct {
	*server
	admin      string
	backend    application
	credential application
}

func startDisabling(t *testing.T) (d disabling, u *upstream) {
	t.Helper()
	u = startUpstream(t)
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", fmt.Sprintf(disabledSeed, u.URL)))
	s.env = []string{"AGENT_PASSWORD=" + agentPassword, "USERS_SECRET=" + usersSecret}
	s.start()
	d = disabling{server: s, admin: s.admin(), backend: application{ClientID: "app_backend", ClientSecret: usersSecret}}
	d.credential = as[application](s.do(http.MethodPost, "/oauth/services/"+quotes.UUID+"/credentials", "", "", bearer(d.admin)).want(http.StatusCreated))
	return d, u
}

// id finds an application of the seed.
func (d *disabling) id(clientID string) application {
	d.t.Helper()
	list := d.list(d.admin, "organization=acme")
	return list[slices.IndexFunc(list, func(a application) bool { return a.ClientID == clientID })]
}

func (d *disabling) put(path string, disabled bool) {
	d.t.Helper()
	d.json(http.MethodPut, path, settings{"disabled": disabled}, bearer(d.admin)).ok()
}

// requests ask for a token in every way.
func (d *disabling) requests(refresh string) map[string]answer {
	d.t.Helper()
	return map[string]answer{
		"client_credentials": d.requestToken(d.backend),
		"password": d.form(partnerQuery, []string{
			"client_id", "app_mobile", "grant_type", "password", "email", agentEmail, "password", agentPassword,
		}),
		"refresh_token": d.refresh("app_mobile", refresh, ""),
		"service":       d.form("/oauth/token", serviceForm(quotes, d.credential)),
	}
}

// counts reports for whom a token counts: introspection, and the guard or
// userinfo.
func (d *disabling) counts(kind, token string) (introspected, admitted bool) {
	d.t.Helper()
	introspected = as[introspection](d.form("/oauth/introspect", []string{"token", token}, bearer(d.admin)).ok()).Active
	var use answer
	switch kind {
	case "client_credentials":
		use = d.through(http.MethodGet, "/things/1", token)
	case "service":
		use = d.post(quotes, "{}", bearer(token))
	default:
		use = d.get("/oauth/userinfo", bearer(token))
	}
	if use.status != http.StatusOK && use.status != http.StatusUnauthorized {
		d.t.Errorf("%s: %d %s", use.what, use.status, use.body)
	}
	return introspected, use.status == http.StatusOK
}

// SECURITY.md (Authentik CVE-2025-64521, Zitadel CVE-2024-47000): a disabled
// application or organization gets no token, those that it had are dead for
// introspection, guard and userinfo, and refreshing them does not help; also
// across a restart, and also for what ended when it is enabled again.
func TestDisabled(t *testing.T) {
	t.Parallel()
	d, u := startDisabling(t)
	mobile := []string{"password", "refresh_token"}
	all := append([]string{"client_credentials", "service"}, mobile...)
	for _, c := range []struct {
		path  string
		shuts []string
		open  bool // a service that asks for no token goes on
	}{
		{d.id("app_backend").path(), all[:1], true},
		{d.id("app_mobile").path(), mobile, true},
		{"/oauth/organizations/acme", all, false},
	} {
		first, second, spare := d.begin("app_mobile"), d.begin("app_mobile"), d.begin("app_mobile")
		tokens := map[string]string{
			"client_credentials": d.token(d.backend), "service": d.serviceToken(quotes, d.credential),
			"password": first.AccessToken, "refresh_token": as[session](d.refresh("app_mobile", second.RefreshToken, "").ok()).AccessToken,
		}
		check := func(when string, shut bool) {
			t.Helper()
			for kind, token := range tokens {
				want := !slices.Contains(c.shuts, kind)
				if introspected, admitted := d.counts(kind, token); introspected != want || admitted != want {
					t.Errorf("%s, %s: a token of %s counts for introspection: %v, when it is used: %v", c.path, when, kind, introspected, admitted)
				}
			}
			for kind, a := range d.requests(spare.RefreshToken) {
				want := http.StatusOK
				switch {
				case shut && slices.Contains(c.shuts, kind):
					want = http.StatusUnauthorized
				case kind == "refresh_token":
					continue // used, or ended
				}
				if a.status != want {
					t.Errorf("%s, %s: a request of %s is answered %d, want %d", c.path, when, kind, a.status, want)
				}
			}
			before := len(u.seen())
			if a := d.post(openService, "{}"); (a.status == http.StatusOK) != (c.open || !shut) || (len(u.seen()) > before) != (c.open || !shut) {
				t.Errorf("%s, %s: an open service answers %d", c.path, when, a.status)
			}
		}
		d.put(c.path, true)
		if got := as[struct{ Disabled bool }](d.get(c.path, bearer(d.admin)).ok()); !got.Disabled {
			t.Errorf("%s is not shown as disabled", c.path)
		}
		check("disabled", true)
		d.restart()
		check("after a restart", true)
		d.put(c.path, false)
		check("enabled again", false)
		if slices.Contains(c.shuts, "refresh_token") {
			d.refresh("app_mobile", first.RefreshToken, "").want(http.StatusBadRequest)
		}
	}
}

// The feeds say what a disabling ended, and resource servers go by them, also
// by what ended their own access to the feed.
func TestDisablingIsHeard(t *testing.T) {
	t.Parallel()
	d, _ := startDisabling(t)
	listener := as[application](d.json(http.MethodPost, "/oauth/applications?organization=acme",
		settings{"name": "Listener", "scopes": []string{"revocations:read"}}, bearer(d.admin)).want(http.StatusCreated))
	v := d.resourceServer(resource.WithClient(listener.ClientID, listener.ClientSecret))
	d.heard(v)
	backend := d.id("app_backend").path()
	token := d.token(d.backend)
	wantVerdict(t, v, token, nil)
	d.put(backend, true)
	d.heard(v)
	wantVerdict(t, v, token, resource.ErrRevoked)
	d.put(backend, false)
	token = d.token(d.backend)
	wantVerdict(t, v, token, nil)
	d.put("/oauth/organizations/acme", true)
	d.eventually("a token of a disabled organization is not accepted", func() bool {
		_, err := v.Verify(t.Context(), token)
		return errors.Is(err, resource.ErrRevoked) || errors.Is(err, resource.ErrUnavailable)
	})

	type ending struct {
		Reason, OrganizationID, ClientID string
		Before                           uint64
	}
	feed := as[struct{ Revocations []ending }](d.get("/oauth/revocations", bearer(d.admin)).ok()).Revocations
	for i := range feed {
		if feed[i].Before == 0 {
			t.Errorf("%+v", feed[i])
		}
		feed[i].Before = 0
	}
	if want := []ending{{Reason: "application_disabled", OrganizationID: "acme", ClientID: "app_backend"}, {Reason: "organization_disabled", OrganizationID: "acme"}}; !slices.Equal(feed, want) {
		t.Errorf("the feed says %+v", feed)
	}
}

func TestDisablingRefused(t *testing.T) {
	t.Parallel()
	d, _ := startDisabling(t)
	app := d.id("app_backend")
	put := func(path string, in settings, opts ...option) answer {
		return d.json(http.MethodPut, path, in, append(opts, bearer(d.admin))...)
	}
	// Whoever shut out its own organization could not take it back.
	put("/oauth/organizations/default", settings{"disabled": true, "name": "Renamed"}).want(http.StatusConflict)
	if got := as[struct{ Name string }](d.get("/oauth/organizations/default", bearer(d.admin)).ok()); got.Name == "Renamed" {
		t.Error("a request that is refused was obeyed in part")
	}
	put("/oauth/organizations/nowhere", settings{"disabled": true}).want(http.StatusNotFound)
	put(app.path(), settings{"disabled": "true"}).want(http.StatusBadRequest)
	put(app.path(), settings{"disabled": true}, header("If-Match", `"1"`)).want(http.StatusPreconditionFailed)
	put(app.path(), settings{"disabled": true, "tokenLifetime": 1}).want(http.StatusBadRequest)
	d.json(http.MethodPost, "/oauth/applications", settings{"name": "n", "disabled": true}, bearer(d.admin)).want(http.StatusBadRequest)
	d.token(d.backend)

	// Both at once, and what is so already changes nothing.
	put(app.path(), settings{"disabled": true, "name": "Renamed"}).ok()
	before := d.position()
	put(app.path(), settings{"disabled": true}).ok()
	if after := d.position(); after != before {
		t.Errorf("the position went from %d to %d", before, after)
	}
	if got := as[struct {
		Name     string
		Disabled bool
	}](d.get(app.path(), bearer(d.admin)).ok()); got.Name != "Renamed" || !got.Disabled {
		t.Errorf("%+v", got)
	}
	d.requestToken(d.backend).want(http.StatusUnauthorized)
}
