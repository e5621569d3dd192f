package main_test

import (
	"net/http"
	"strings"
	"testing"
)

// Section 2: revoking ends the token; doing it again, or to a token that never
// was, is 200 too. 200 has no body (RFC 7009 section 2.2).
func TestRevoke(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	token, kept := s.token(app), s.token(app)
	a := s.form("/oauth/revoke", []string{"token", token}, basic(app)).ok().has("Cache-Control", "no-store")
	if len(a.body) != 0 || a.header.Get("Consistency-Token") == "" {
		t.Errorf("body %q, Consistency-Token %q", a.body, a.header.Get("Consistency-Token"))
	}
	s.dead(app, token)
	s.live(app, kept)

	position := s.position()
	for _, unknown := range []string{token, "nonsense", "a.b.c", kept[:len(kept)-1], strings.Repeat("a", 60_000)} {
		s.form("/oauth/revoke", []string{"token", unknown, "token_type_hint", "refresh_token"}, basic(app)).ok()
	}
	if now := s.position(); now != position {
		t.Errorf("revoking nothing moved the log from %d to %d", position, now)
	}
	s.live(app, kept)
	s.form("/oauth/revoke", nil, basic(app)).want(http.StatusBadRequest)
	s.form("/oauth/revoke", []string{"token", kept, "token", kept}, basic(app)).want(http.StatusBadRequest)
	s.form("/oauth/revoke", []string{"token", kept, "client_id", app.ClientID, "client_secret", app.ClientSecret}).ok()
	s.dead(app, kept)
	s.restart()
	s.dead(app, token, kept)
}

// Section 2: another client's token is refused and nothing is written, in the
// same organization or in another one.
func TestRevokeAnothersToken(t *testing.T) {
	t.Parallel()
	s := startTenants(t)
	app, sibling := s.create(s.tenant("acme")), s.create(s.tenant("acme"))
	stranger := s.create(s.tenant("globex"))
	token := s.token(app)
	position := s.position()
	for name, other := range map[string]application{"sibling": sibling, "stranger": stranger} {
		a := s.form("/oauth/revoke", []string{"token", token}, basic(other))
		if a.status < 400 || a.status >= 500 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}
	s.live(app, token)
}

// Section 3: an administrator ends one token by its jti.
func TestRevokeByID(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	token, kept := s.token(app), s.token(app)
	path := "/oauth/tokens/" + s.introspect(app, token).ID
	reader := s.token(s.create(admin, settings{"scopes": []string{"applications:read"}}))
	s.do(http.MethodDelete, path, "", "", bearer(reader)).want(http.StatusForbidden)
	s.live(app, token)
	revoker := s.token(s.create(admin, settings{"scopes": []string{"tokens:revoke"}}))
	s.do(http.MethodDelete, path, "", "", bearer(revoker)).want(http.StatusNoContent)
	s.dead(app, token)
	s.live(app, kept)
	position := s.position()
	s.do(http.MethodDelete, path, "", "", bearer(admin)).want(http.StatusNotFound)
	s.do(http.MethodDelete, "/oauth/tokens/"+strings.Repeat("0", 32), "", "", bearer(admin)).want(http.StatusNotFound)
	s.do(http.MethodDelete, "/oauth/tokens/x", "", "", bearer(admin)).want(http.StatusNotFound)
	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}
}

// Section 3: the live tokens of an application, paged, and the end of all.
func TestTokensOfAnApplication(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app, other := s.create(admin), s.create(admin)
	want := map[string]bool{}
	var tokens []string
	for range 7 {
		token := s.token(app)
		tokens = append(tokens, token)
		want[s.introspect(app, token).ID] = true
	}
	ended := s.token(app)
	s.form("/oauth/revoke", []string{"token", ended}, basic(app)).ok()
	others := s.token(other)

	cursor := ""
	for pages := 1; ; pages++ {
		page := as[tokenList](s.get(app.path("tokens")+"?limit=3"+cursor, bearer(admin)).ok())
		for _, token := range page.Tokens {
			if !want[token.ID] || token.Scope != "read:customers write:customers" || token.ExpiresAt.Sub(token.IssuedAt).Seconds() != 3600 {
				t.Errorf("listed %+v", token)
			}
			delete(want, token.ID)
		}
		if page.NextCursor == "" {
			if pages < 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	if len(want) != 0 {
		t.Errorf("%d tokens are not listed", len(want))
	}

	s.do(http.MethodPost, app.path("revoke-tokens"), "", "", bearer(admin)).ok()
	s.dead(app, tokens...)
	s.live(other, others)
	if left := as[tokenList](s.get(app.path("tokens"), bearer(admin)).ok()); len(left.Tokens) != 0 {
		t.Errorf("%d tokens left", len(left.Tokens))
	}
	s.live(app, s.token(app))
}
