package main_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	agentEmail    = "Agent@Example.com"
	agentPassword = "correct horse battery"
	usersSecret   = "users-0123456789-0123456789-0123456789-abcdefgh"
	partnerQuery  = "/oauth/token?partnerId=10000"
)

// A partner with a user and the client of seed 003, and another tenant.
const usersSeed = `
organizations:
  - id: acme
    name: Acme
    partnerId: "10000"
    users:
      - {email: "Agent@Example.com", passwordEnv: AGENT_PASSWORD, role: AGENT, siteId: 10115}
    applications:
      - {name: Datasync, clientId: 1d29e6d7-18cf-407d-a064-e4f8c4baefab, scopes: [ids.scope, openid, profile], grantTypes: [password]}
      - {name: Manager, clientId: app_acme, clientSecretEnv: USERS_SECRET,
         scopes: ["users:read", "users:write", "applications:read", "applications:write", "tokens:introspect", "events:read", "revocations:read"]}
  - id: globex
    name: Globex
    partnerId: "10001"
    applications:
      - {name: Manager, clientId: app_globex, clientSecretEnv: USERS_SECRET, scopes: ["users:read", "users:write"]}
`

var (
	datasync = application{ClientID: "1d29e6d7-18cf-407d-a064-e4f8c4baefab"}
	manager  = application{ClientID: "app_acme", ClientSecret: usersSecret}
)

func startUsers(t *testing.T) *server {
	t.Helper()
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", usersSeed))
	s.env = []string{"AGENT_PASSWORD=" + agentPassword, "USERS_SECRET=" + usersSecret}
	s.start()
	return s
}

// user is what the server tells of a person.
type user struct {
	ID             string    `json:"id"`
	Email          string    `json:"email"`
	Role           string    `json:"role"`
	SiteID         int64     `json:"siteId"`
	Disabled       bool      `json:"disabled"`
	OrganizationID string    `json:"organizationId"`
	CreatedAt      time.Time `json:"createdAt"`
	UpdatedAt      time.Time `json:"updatedAt"`
}

func (u user) path() string { return "/oauth/users/" + u.ID }

type userList struct {
	Users      []user `json:"users"`
	NextCursor string `json:"nextCursor"`
}

// createUser adds a user with a password, or one as the settings say.
func (s *server) createUser(token, email string, more ...settings) user {
	s.t.Helper()
	body := settings{"email": email, "password": agentPassword, "role": "AGENT", "siteId": 7}
	for _, m := range more {
		for name, value := range m {
			if body[name] = value; value == nil {
				delete(body, name)
			}
		}
	}
	return as[user](s.json(http.MethodPost, "/oauth/users", body, bearer(token)).want(http.StatusCreated))
}

// login asks for a token as seed 003 has it.
func (s *server) login(email, password string, pairs ...string) answer {
	s.t.Helper()
	return s.form(partnerQuery, append([]string{"client_id", datasync.ClientID, "grant_type", "password", "email", email, "password", password}, pairs...))
}

// userToken returns a new token of a user whose password is agentPassword.
func (s *server) userToken(email string) string {
	s.t.Helper()
	return as[tokenResponse](s.login(email, agentPassword).ok()).AccessToken
}

func (s *server) users(token, query string) (all []user) {
	s.t.Helper()
	for cursor := ""; ; {
		page := as[userList](s.get("/oauth/users?"+query+cursor, bearer(token)).ok())
		all = append(all, page.Users...)
		if page.NextCursor == "" {
			return all
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

// Section 5: create, read, update, disable, delete.
func TestUserLife(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	token := s.token(manager)
	created := s.json(http.MethodPost, "/oauth/users", settings{
		"email": "New@Example.com", "password": agentPassword, "role": "ADMIN", "siteId": 10116,
	}, bearer(token)).want(http.StatusCreated)
	u := as[user](created)
	want := user{
		ID: u.ID, Email: "New@Example.com", Role: "ADMIN", SiteID: 10116,
		OrganizationID: "acme", CreatedAt: u.CreatedAt, UpdatedAt: u.CreatedAt,
	}
	if u != want || u.CreatedAt.IsZero() || len(u.ID) != 36 {
		t.Errorf("%+v", u)
	}
	created.has("Location", u.path()).has("Cache-Control", "no-store")
	s.get(u.path(), bearer(token), header("Consistency-Token", created.header.Get("Consistency-Token"))).
		exactly(http.StatusOK, strings.TrimSpace(string(created.body))).has("ETag", created.header.Get("ETag"))

	put := func(body settings) user {
		t.Helper()
		a := s.json(http.MethodPut, u.path(), body, bearer(token)).ok()
		if a.header.Get("Consistency-Token") == "" || a.header.Get("ETag") == "" {
			t.Errorf("%v: headers %v", body, a.header)
		}
		return as[user](a)
	}
	if got := put(settings{"role": "USER"}); got.Role != "USER" || got.SiteID != 10116 || got.Email != want.Email || got.UpdatedAt.Before(u.UpdatedAt) {
		t.Errorf("%+v", got)
	}
	if got := put(settings{"email": "newer@example.com", "siteId": 0}); got.Email != "newer@example.com" || got.SiteID != 0 || got.Role != "USER" {
		t.Errorf("%+v", got)
	}
	if got := put(settings{"disabled": true}); !got.Disabled {
		t.Errorf("%+v", got)
	}
	position := s.position()
	if got := put(settings{"disabled": true, "role": "USER", "email": "newer@example.com", "siteId": 0}); !got.Disabled {
		t.Errorf("%+v", got)
	}
	if now := s.position(); now != position {
		t.Errorf("changing nothing moved the log from %d to %d", position, now)
	}
	s.login("newer@example.com", agentPassword).want(http.StatusBadRequest)
	if got := put(settings{"disabled": false}); got.Disabled {
		t.Errorf("%+v", got)
	}
	s.userToken("NEWER@example.com")
	put(settings{"password": "battery staple horse"})
	s.login("newer@example.com", agentPassword).want(http.StatusBadRequest)
	s.login("newer@example.com", "battery staple horse").ok()

	s.do(http.MethodDelete, u.path(), "", "", bearer(token)).want(http.StatusNoContent)
	s.restart()
	token = s.token(manager)
	s.login("newer@example.com", "battery staple horse").want(http.StatusBadRequest)
	s.get(u.path(), bearer(token)).want(http.StatusNotFound)
	s.json(http.MethodPut, u.path(), settings{"role": "X"}, bearer(token)).want(http.StatusNotFound)
	s.do(http.MethodDelete, u.path(), "", "", bearer(token)).want(http.StatusNotFound)
	if again := s.createUser(token, "newer@example.com"); again.ID == u.ID {
		t.Error("the id was used again")
	}
}

// Section 5: what may not be written, and that refusals write nothing.
func TestUserRefusals(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	token := s.token(manager)
	u := s.createUser(token, "first@example.com")
	s.createUser(token, "second@example.com")
	position := s.position()
	for name, c := range map[string]struct {
		body   settings
		status int
	}{
		"no email":       {settings{"role": "X"}, 400},
		"empty email":    {settings{"email": ""}, 400},
		"no address":     {settings{"email": "agent"}, 400},
		"name and all":   {settings{"email": "Agent <a@example.com>"}, 400},
		"255 bytes":      {settings{"email": strings.Repeat("a", 243) + "@example.com"}, 400},
		"line break":     {settings{"email": "a@example.com\n"}, 400},
		"NUL":            {settings{"email": "a\x00@example.com"}, 400},
		"short password": {settings{"email": "a@example.com", "password": "1234567"}, 400},
		"empty password": {settings{"email": "a@example.com", "password": ""}, 400},
		"long password":  {settings{"email": "a@example.com", "password": strings.Repeat("x", 1025)}, 400},
		"long role":      {settings{"email": "a@example.com", "role": strings.Repeat("x", 65)}, 400},
		"negative site":  {settings{"email": "a@example.com", "siteId": -1}, 400},
		"huge site":      {settings{"email": "a@example.com", "siteId": int64(1) << 53}, 400},
		"site as text":   {settings{"email": "a@example.com", "siteId": "10115"}, 400},
		"site with dot":  {settings{"email": "a@example.com", "siteId": 1.5}, 400},
		"null":           {settings{"email": nil}, 400},
		"unknown field":  {settings{"email": "a@example.com", "admin": true}, 400},
		"own id":         {settings{"email": "a@example.com", "id": u.ID}, 400},
		"taken":          {settings{"email": "SECOND@example.COM"}, 409},
	} {
		if a := s.json(http.MethodPost, "/oauth/users", c.body, bearer(token)); a.status != c.status {
			t.Errorf("create, %s: %d, want %d", name, a.status, c.status)
		}
		if _, needed := c.body["email"]; needed {
			if a := s.json(http.MethodPut, u.path(), c.body, bearer(token)); a.status != c.status {
				t.Errorf("update, %s: %d, want %d", name, a.status, c.status)
			}
		}
	}
	for _, id := range []string{"none", "*", ">", "..", "%2e%2e", "$JS", u.ID + "x", strings.ToUpper(u.ID)} {
		if id != u.ID { // digits alone have one case
			s.get("/oauth/users/"+id, bearer(token), undescribed).want(http.StatusNotFound)
		}
	}
	s.json(http.MethodPut, u.path(), settings{"role": "X"}, bearer(token), header("If-Match", `"1"`)).want(http.StatusPreconditionFailed)
	s.json(http.MethodPut, u.path(), settings{"disabled": true}, bearer(token), header("If-Match", `"1"`)).want(http.StatusPreconditionFailed)
	s.do(http.MethodPost, "/oauth/users", formType, "email=a@example.com", bearer(token)).want(http.StatusUnsupportedMediaType)
	s.get("/oauth/users", bearer(s.token(application{ClientID: "app_acme", ClientSecret: usersSecret}))).ok()
	if now := s.position(); now != position+1 { // the token
		t.Errorf("the log moved from %d to %d", position, now)
	}
	etag := s.get(u.path(), bearer(token)).ok().header.Get("ETag")
	s.json(http.MethodPut, u.path(), settings{"role": "X"}, bearer(token), header("If-Match", etag)).ok()
}

// Sections 3 and 5: scopes, tenants, listing.
func TestUsersOfTenantsAreApart(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	acme, globex, admin := s.token(manager), s.token(application{ClientID: "app_globex", ClientSecret: usersSecret}), s.admin()
	var ours, theirs []user
	for i := range 4 {
		ours = append(ours, s.createUser(acme, fmt.Sprintf("user%d@example.com", i)))
		theirs = append(theirs, s.createUser(globex, fmt.Sprintf("user%d@example.com", i))) // the same addresses
	}
	for name, a := range map[string]answer{
		"read":   s.get(ours[0].path(), bearer(globex)),
		"update": s.json(http.MethodPut, ours[0].path(), settings{"role": "X"}, bearer(globex)),
		"delete": s.do(http.MethodDelete, ours[0].path(), "", "", bearer(globex)),
	} {
		if a.status != http.StatusNotFound {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	s.get("/oauth/users?organization=acme", bearer(globex)).want(http.StatusForbidden)
	check := func(what, token, query string, want ...user) {
		t.Helper()
		got := slices.DeleteFunc(s.users(token, query), func(u user) bool { return u.Email == agentEmail })
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
		}
	}
	check("acme", acme, "limit=2", ours...)
	check("globex", globex, "limit=1", theirs...)
	check("the administrator", admin, "limit=3", append(slices.Clone(ours), theirs...)...)
	check("the administrator in globex", admin, "limit=3&organization=globex", theirs...)
	cursor := as[userList](s.get("/oauth/users?limit=1", bearer(acme)).ok()).NextCursor
	s.get("/oauth/users?cursor="+cursor, bearer(globex)).want(http.StatusBadRequest)

	reader := s.create(acme, settings{"scopes": []string{"users:read"}})
	read := s.token(reader)
	s.get(ours[0].path(), bearer(read)).ok()
	for name, a := range map[string]answer{
		"create": s.json(http.MethodPost, "/oauth/users", settings{"email": "x@example.com"}, bearer(read)),
		"update": s.json(http.MethodPut, ours[0].path(), settings{"role": "X"}, bearer(read)),
		"delete": s.do(http.MethodDelete, ours[0].path(), "", "", bearer(read)),
	} {
		if a.status != http.StatusForbidden {
			t.Errorf("%s with users:read: %d", name, a.status)
		}
	}
	s.get("/oauth/users").want(http.StatusUnauthorized)
	// A user's token opens what its application's scopes open: here nothing.
	s.get("/oauth/users", bearer(s.userToken(agentEmail))).want(http.StatusForbidden)
}

// Section 1: the seed is applied once, however often the server starts; what was
// changed since stays.
func TestSeededUsers(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	token := s.token(manager)
	agent := s.users(token, "")[0]
	if agent.Email != agentEmail || agent.Role != "AGENT" || agent.SiteID != 10115 {
		t.Fatalf("%+v", agent)
	}
	position := s.position()
	s.restart()
	if now := s.position(); now != position {
		t.Errorf("the second start moved the log from %d to %d", position, now)
	}
	token = s.token(manager)
	s.json(http.MethodPut, agent.path(), settings{"role": "ADMIN", "password": "battery staple horse", "disabled": true}, bearer(token)).ok()
	s.restart()
	token = s.token(manager)
	if got := as[user](s.get(agent.path(), bearer(token)).ok()); got.Role != "AGENT" || !got.Disabled {
		t.Errorf("%+v: want the file's role, and still disabled", got)
	}
	s.json(http.MethodPut, agent.path(), settings{"disabled": false}, bearer(token)).ok()
	s.login(agentEmail, agentPassword).want(http.StatusBadRequest)
	s.login(agentEmail, "battery staple horse").ok()
}

// A seed file brings the password that somebody has already.
func TestSeededPasswordMayBeShort(t *testing.T) {
	t.Parallel()
	const short = "horse"
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", strings.Replace(usersSeed, "passwordEnv: AGENT_PASSWORD", "password: "+short, 1)))
	s.env = []string{"USERS_SECRET=" + usersSecret}
	s.start()
	s.login(agentEmail, short).ok()
	token := s.token(manager)
	agent := s.users(token, "")[0]
	s.json(http.MethodPut, agent.path(), settings{"password": short}, bearer(token)).want(http.StatusBadRequest)
}

// Section 8: the past of a user is shown as long as its key exists, and then no
// more than the log tells.
func TestUsersOfThePast(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	token := s.token(manager)
	u := s.createUser(token, "past@example.com")
	s.json(http.MethodPut, u.path(), settings{"email": "now@example.com", "role": "ADMIN"}, bearer(token)).ok()
	at := fmt.Sprintf("?as_of=%d", s.position())
	s.do(http.MethodDelete, u.path(), "", "", bearer(token)).want(http.StatusNoContent)
	s.get(u.path(), bearer(token)).want(http.StatusNotFound)
	got := as[user](s.get(u.path()+at, bearer(token)).ok())
	if got.ID != u.ID || got.Role != "ADMIN" || got.Email != "" {
		t.Errorf("%+v", got)
	}
	if n := len(as[userList](s.get("/oauth/users"+at, bearer(token)).ok()).Users); n != 2 {
		t.Errorf("%d users then", n)
	}
}
