package main_test

import (
	"net/http"
	"net/url"
	"testing"
)

// awkward is an application whose credentials need every rule of form encoding.
var awkward = application{ClientID: "app+a%b:c/d", ClientSecret: `s+e%3Ac:r e&t=?/0123456789abcdefghijklmnop`}

const awkwardSeed = `
organizations:
  - id: acme
    name: Acme
    applications:
      - {name: Awkward, scopes: [read], clientId: "app+a%b:c/d", clientSecretEnv: AWKWARD_SECRET, grantTypes: [client_credentials]}
      - {name: Public, scopes: [read], clientId: app_public}
`

func startAwkward(t *testing.T) *server {
	t.Helper()
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", awkwardSeed))
	s.env = []string{"AWKWARD_SECRET=" + awkward.ClientSecret}
	s.start()
	return s
}

// Section 2: client_secret_basic has both halves form-decoded, client_secret_post
// is a form like any other.
func TestClientAuthenticationIsFormEncoded(t *testing.T) {
	t.Parallel()
	s := startAwkward(t)
	grant := []string{"grant_type", "client_credentials"}
	post := append(grant, "client_id", awkward.ClientID, "client_secret", awkward.ClientSecret)
	s.form("/oauth/token", grant, basic(awkward)).ok()
	s.form("/oauth/token", post).ok()

	id, secret := url.QueryEscape(awkward.ClientID), url.QueryEscape(awkward.ClientSecret)
	for name, pair := range map[string]string{
		"nothing encoded":     awkward.ClientID + ":" + awkward.ClientSecret,
		"id not encoded":      awkward.ClientID + ":" + secret,
		"secret not encoded":  id + ":" + awkward.ClientSecret,
		"encoded twice":       url.QueryEscape(id) + ":" + url.QueryEscape(secret),
		"broken escape":       "app%zz:" + secret,
		"escape at the end":   id + ":" + secret + "%2",
		"NUL in the id":       id + "%00:" + secret,
		"NUL in the secret":   id + ":" + secret + "%00",
		"invalid UTF-8":       id + ":" + secret + "%ff",
		"no colon":            id + secret,
		"no secret":           id + ":",
		"no id":               ":" + secret,
		"nothing":             ":",
		"CR LF in the secret": id + ":" + secret + "%0d%0a",
		"other case":          url.QueryEscape("APP+a%b:c/d") + ":" + secret,
	} {
		a := s.in(t).form("/oauth/token", grant, rawBasic(pair))
		if a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// RFC 7617: the scheme is case-insensitive; what is not Basic authenticates nobody.
func TestAuthorizationSchemes(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	grant := []string{"grant_type", "client_credentials"}
	var value string
	s.form("/oauth/token", grant, basic(app), func(r *http.Request) { value = r.Header.Get("Authorization") }).ok()
	s.form("/oauth/token", grant, header("Authorization", "bAsIc"+value[len("Basic"):])).ok()
	for _, bad := range []string{"Basic", "Basic ", "Basic !!!", "Basic " + value[len("Basic "):] + "=", "Digest username=x", "Bearer " + s.token(app), value[:len(value)-4]} {
		s.form("/oauth/token", grant, header("Authorization", bad)).want(http.StatusUnauthorized)
	}
}

// Section 2: two methods at once is 400, whether they agree or not, and writes
// nothing; so is a repeated header.
func TestTwoAuthenticationMethods(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app, other := s.create(admin), s.create(admin)
	position := s.position()
	body := []string{"grant_type", "client_credentials", "client_id", app.ClientID, "client_secret", app.ClientSecret}
	for name, a := range map[string]answer{
		"basic and post":             s.form("/oauth/token", body, basic(app)),
		"basic and another's post":   s.form("/oauth/token", body, basic(other)),
		"basic and a secret alone":   s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_secret", app.ClientSecret}, basic(app)),
		"basic and another's id":     s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_id", other.ClientID}, basic(app)),
		"basic twice":                s.form("/oauth/token", body[:2], basic(app), basic(app)),
		"introspect in both":         s.form("/oauth/introspect", append([]string{"token", admin}, body[2:]...), basic(app)),
		"introspect bearer and post": s.form("/oauth/introspect", append([]string{"token", admin}, body[2:]...), bearer(admin)),
		"revoke in both":             s.form("/oauth/revoke", append([]string{"token", admin}, body[2:]...), basic(app)),
	} {
		if a.status != http.StatusBadRequest || as[protocolError](a).Error != "invalid_request" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if now := s.position(); now != position {
		t.Errorf("position %d, was %d", now, position)
	}
	// The same client_id in the body as in the header is one method.
	s.form("/oauth/token", body[:4], basic(app)).ok()
}

// Section 2: a public client authenticates by "none" and may not use
// client_credentials (RFC 6749 section 4.4); a confidential one may not use "none".
func TestPublicClients(t *testing.T) {
	t.Parallel()
	s := startAwkward(t)
	public := as[protocolError](s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_id", "app_public"}).want(http.StatusBadRequest))
	if public.Error != "unauthorized_client" {
		t.Errorf("public client: %+v", public)
	}
	s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_id", "app_public", "client_secret", "x"}).want(http.StatusUnauthorized)
	s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_id", awkward.ClientID}).want(http.StatusUnauthorized)
	s.form("/oauth/introspect", []string{"token", "x", "client_id", "app_public"}).want(http.StatusUnauthorized)
	// RFC 7009 section 2.1: a public client revokes by its client_id.
	s.form("/oauth/revoke", []string{"token", "x", "client_id", "app_public"}).ok()
}
