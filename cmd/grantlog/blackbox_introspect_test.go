package main_test

import (
	"net/http"
	"strings"
	"testing"
)

const inactive = `{"active":false}`

// Section 2: what a live token introspects as.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	token := s.token(app)
	_, claims := decode(t, token)
	a := s.form("/oauth/introspect", []string{"token", token}, basic(app)).ok().has("Cache-Control", "no-store").has("Pragma", "no-cache")
	got := as[map[string]any](a)
	claims["active"], claims["token_type"] = true, "Bearer"
	for name, want := range claims {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if len(got) != len(claims) {
		t.Errorf("members %v", got)
	}
	// A hint, even a wrong one, changes nothing (RFC 7662 section 2.1).
	for _, hint := range []string{"access_token", "refresh_token", "nonsense"} {
		s.form("/oauth/introspect", []string{"token", token, "token_type_hint", hint}, basic(app)).exactly(http.StatusOK, strings.TrimSpace(string(a.body)))
	}
	missing := as[protocolError](s.form("/oauth/introspect", nil, basic(app)).want(http.StatusBadRequest))
	if missing.Error != "invalid_request" {
		t.Errorf("%+v", missing)
	}
	s.form("/oauth/introspect", []string{"token", token, "token", token}, basic(app)).want(http.StatusBadRequest)
	s.form("/oauth/introspect?token="+token, []string{"token", token}, basic(app)).want(http.StatusBadRequest)
}

// SECURITY.md (Zitadel CVE-2026-27840): every prefix and every one-byte change
// of a token is inactive, and so is anything with more around it.
func TestAlteredTokensAreInactive(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	token := s.token(app)
	check := func(what string, at int, altered string) {
		t.Helper()
		if a := s.form("/oauth/introspect", []string{"token", altered}, basic(app)); a.status != 200 || strings.TrimSpace(string(a.body)) != inactive {
			t.Errorf("%s %d: %d %s", what, at, a.status, a.body)
		}
	}
	for i := 1; i < len(token); i++ {
		check("prefix", i, token[:i])
		check("suffix", i, token[i:])
		b := []byte(token)
		b[i] ^= 1
		check("one bit changed at", i, string(b))
		b[i] = 'A' + (b[i]-'A'+1)%26
		if string(b) != token {
			check("one letter changed at", i, string(b))
		}
	}
	for i, around := range []string{token + "A", token + ".", token + "=", "." + token, token + " ", " " + token, token + "\n", token + token, token + "." + token, strings.ToLower(token), "Bearer " + token} {
		check("around", i, around)
	}
	s.live(app, token)
}

// Section 2: foreign and malformed tokens are exactly {"active":false}.
func TestForeignTokensAreInactive(t *testing.T) {
	t.Parallel()
	s, other := start(t), start(t)
	app := s.create(s.admin())
	_, claims := decode(t, s.token(app))
	for name, token := range map[string]string{
		"another server's":  other.token(other.create(other.admin())),
		"alg none":          unsigned(t, map[string]any{"alg": "none", "typ": "at+jwt"}, claims, ""),
		"alg none, signed":  unsigned(t, map[string]any{"alg": "none"}, claims, "AAAA"),
		"alg HS256":         unsigned(t, map[string]any{"alg": "HS256"}, claims, "AAAA"),
		"jku":               unsigned(t, map[string]any{"alg": "ES256", "jku": other.issuer() + "/oauth/jwks"}, claims, "AAAA"),
		"x5u":               unsigned(t, map[string]any{"alg": "RS256", "x5u": other.issuer()}, claims, "AAAA"),
		"crit":              unsigned(t, map[string]any{"alg": "ES256", "crit": []string{"exp"}}, claims, "AAAA"),
		"five parts":        "a.b.c.d.e",
		"JSON form":         `{"payload":"e30","signatures":[{"protected":"e30","signature":"AAAA"}]}`,
		"one megabyte less": strings.Repeat("a", 60_000),
		"dots":              "..",
		"spaces":            "   ",
		"opaque":            "2YotnFZFEjr1zCsicMWpAA",
		"wildcard":          "*",
		"NATS subject":      "$JS.>",
		"CR LF":             "a\r\nb",
	} {
		s.form("/oauth/introspect", []string{"token", token}, basic(app)).exactly(http.StatusOK, inactive)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// Section 2: the caller authenticates, with credentials or a bearer token of
// scope tokens:introspect.
func TestIntrospectionCallers(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	token := s.token(app)
	asker := s.create(admin, settings{"scopes": []string{"tokens:introspect"}})
	ask := func(opts ...option) answer { return s.form("/oauth/introspect", []string{"token", token}, opts...) }

	if !as[introspection](ask(bearer(s.token(asker))).ok()).Active || !as[introspection](ask(bearer(admin)).ok()).Active {
		t.Error("a bearer with tokens:introspect sees no token")
	}
	s.form("/oauth/introspect", []string{"token", token, "client_id", app.ClientID, "client_secret", app.ClientSecret}).ok()
	ask(bearer(token)).exactly(http.StatusForbidden, `{"error":"insufficient_scope","error_description":"Insufficient scope for this endpoint","code":403,"message":"Insufficient scope for this endpoint"}`)
	ask(bearer("nonsense")).want(http.StatusUnauthorized)
	ask().want(http.StatusUnauthorized)
	// A token does not vouch for itself.
	s.form("/oauth/introspect", []string{"token", token, "client_id", app.ClientID}).want(http.StatusUnauthorized)

	gone := s.token(asker)
	s.form("/oauth/revoke", []string{"token", gone}, basic(asker)).ok()
	got := as[protocolError](ask(bearer(gone)).want(http.StatusUnauthorized))
	if got.Error != "invalid_token" || got.Message != "Token revoked" {
		t.Errorf("%+v", got)
	}
}
