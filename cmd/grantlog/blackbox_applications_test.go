package main_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Section 3: create, read, update, delete.
func TestApplicationLife(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	created := s.json(http.MethodPost, "/oauth/applications", settings{
		"name": "Production Integration", "description": "For the shop", "scopes": []string{"read:customers"},
		"tokenLifetime": 900, "signingAlg": "RS256", "audience": "https://api.example", "limits": settings{"perMinute": 10, "perHour": 100},
		"grantTypes": []string{"client_credentials"}, "redirectUris": []string{"https://shop.example/back"},
	}, bearer(admin)).want(http.StatusCreated)
	app := as[application](created)
	if app.Name != "Production Integration" || app.Description != "For the shop" || app.TokenLifetime != 900 ||
		app.SigningAlg != "RS256" || app.Audience != "https://api.example" || !slices.Equal(app.Scopes, []string{"read:customers"}) {
		t.Errorf("%+v", app)
	}
	if app.CreatedAt.IsZero() || !app.CreatedAt.Equal(app.UpdatedAt) || !app.SecretCreatedAt.Equal(app.CreatedAt) {
		t.Errorf("created %v, updated %v, secret of %v", app.CreatedAt, app.UpdatedAt, app.SecretCreatedAt)
	}
	if location := created.header.Get("Location"); location != app.path() {
		t.Errorf("Location %q", location)
	}
	read := s.get(app.path(), bearer(admin)).ok()
	if strings.Contains(string(read.body), "secret_") {
		t.Error("the secret appears in a later answer")
	}

	// The seed's own update; what it leaves out stays.
	updated := as[application](s.json(http.MethodPut, app.path(), settings{
		"name": "Updated Name", "description": "New description", "scopes": []string{"read:customers", "write:metering"},
	}, bearer(admin)).ok())
	if updated.Name != "Updated Name" || updated.TokenLifetime != 900 || updated.ClientID != app.ClientID || len(updated.Scopes) != 2 || updated.UpdatedAt.Before(app.UpdatedAt) {
		t.Errorf("%+v", updated)
	}

	token := s.token(app)
	a := s.do(http.MethodDelete, app.path(), "", "", bearer(admin)).want(http.StatusNoContent)
	if a.header.Get("Consistency-Token") == "" {
		t.Error("no Consistency-Token")
	}
	s.get(app.path(), bearer(admin)).want(http.StatusNotFound)
	s.do(http.MethodDelete, app.path(), "", "", bearer(admin)).want(http.StatusNotFound)
	s.json(http.MethodPut, app.path(), settings{"name": "Back"}, bearer(admin)).want(http.StatusNotFound)
	s.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(admin)).want(http.StatusNotFound)
	s.requestToken(app).want(http.StatusUnauthorized)
	s.dead(s.administrator(), token)
	s.get("/oauth/applications", bearer(token)).exactly(http.StatusUnauthorized, flat(401, "Token revoked"))
	s.restart()
	s.get(app.path(), bearer(admin)).want(http.StatusNotFound)
	s.dead(s.administrator(), token)
}

// DESIGN.md: an update is a compare-and-swap where the caller asks for it.
func TestUpdateIfMatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	etag := s.get(app.path(), bearer(admin)).ok().header.Get("ETag")
	rename := func(name, ifMatch string) answer {
		return s.json(http.MethodPut, app.path(), settings{"name": name}, bearer(admin), header("If-Match", ifMatch))
	}
	next := rename("first", etag).ok().header.Get("ETag")
	if next == etag {
		t.Error("the ETag did not change")
	}
	rename("second", etag).want(http.StatusPreconditionFailed)
	rename("third", "nonsense").want(http.StatusPreconditionFailed)
	rename("fourth", next).ok()
	rename("fifth", "*").ok()
	if got := as[application](s.get(app.path(), bearer(admin)).ok()).Name; got != "fifth" {
		t.Errorf("name %q", got)
	}
}

// Section 3: who lacks the scope is 403, and reading is not writing.
func TestApplicationScopes(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	reader := s.token(s.create(admin, settings{"scopes": []string{"applications:read"}}))
	s.get(app.path(), bearer(reader)).ok()
	s.get("/oauth/applications", bearer(reader)).ok()
	s.get(app.path("tokens"), bearer(reader)).ok()
	position := s.position()
	for _, a := range []answer{
		s.json(http.MethodPost, "/oauth/applications", settings{"name": "x", "scopes": []string{}}, bearer(reader)),
		s.json(http.MethodPut, app.path(), settings{"name": "x"}, bearer(reader)),
		s.do(http.MethodDelete, app.path(), "", "", bearer(reader)),
		s.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(reader)),
		s.do(http.MethodPost, app.path("revoke-tokens"), "", "", bearer(reader)),
	} {
		a.exactly(http.StatusForbidden, flat(403, "Insufficient scope for this endpoint"))
	}
	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}
}

// Section 3: pages of a list, their limits, and cursors that only the server
// can make (Hydra CVE-2026-33504).
func TestListPaging(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	var made []application
	for i := range 11 {
		made = append(made, s.create(admin, settings{"name": fmt.Sprintf("App %d", i)}))
	}
	all := s.list(admin, "limit=3")
	if len(all) != 12 || !slices.IsSortedFunc(all, func(a, b application) int { return a.CreatedAt.Compare(b.CreatedAt) }) {
		t.Errorf("%d applications, or not in order of creation", len(all))
	}
	if fmt.Sprint(ids(all[1:])) != fmt.Sprint(ids(made)) {
		t.Errorf("listed %v", ids(all))
	}
	for _, size := range []int{1, 12, 200} {
		page := as[applicationList](s.get(fmt.Sprintf("/oauth/applications?limit=%d", size), bearer(admin)).ok())
		if len(page.Applications) != min(size, 12) || (page.NextCursor == "") != (size >= 12) {
			t.Errorf("limit %d: %d entries, cursor %q", size, len(page.Applications), page.NextCursor)
		}
	}
	for _, bad := range []string{"0", "201", "-1", "1.5", "x", "", "9223372036854775808", "1e2", "%00", "+5", "10&limit=10"} {
		s.get("/oauth/applications?limit="+bad, bearer(admin)).want(http.StatusBadRequest)
	}

	cursor := as[applicationList](s.get("/oauth/applications?limit=3", bearer(admin)).ok()).NextCursor
	for i := range len(cursor) {
		b := []byte(cursor)
		b[i] = 'A' + (b[i]-'A'+1)%26
		if string(b) != cursor {
			s.get("/oauth/applications?cursor="+string(b), bearer(admin)).want(http.StatusBadRequest)
		}
		s.get("/oauth/applications?cursor="+cursor[:i], bearer(admin)).want(http.StatusBadRequest)
	}
	for _, bad := range []string{"x", "..%2f", "%00", "*", strings.Repeat("a", 5000), cursor + "A", cursor + "&cursor=" + cursor} {
		s.get("/oauth/applications?cursor="+bad, bearer(admin)).want(http.StatusBadRequest)
	}
	// A page goes on after its place, whatever became of the entry there.
	s.do(http.MethodDelete, made[1].path(), "", "", bearer(admin)).want(http.StatusNoContent)
	rest := as[applicationList](s.get("/oauth/applications?cursor="+cursor, bearer(admin)).ok())
	if len(rest.Applications) != 9 {
		t.Errorf("%d entries after the first three, of which one was deleted", len(rest.Applications))
	}
	s.restart()
	s.get("/oauth/applications?cursor="+cursor, bearer(admin)).ok()
}
