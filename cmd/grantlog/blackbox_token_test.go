package main_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Section 2: the success answer, its headers, and the claims of RFC 9068.
func TestTokenAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	before := time.Now().Unix()
	a := s.requestToken(app).ok().has("Cache-Control", "no-store").has("Pragma", "no-cache")
	got := as[tokenResponse](a)
	if got.TokenType != "Bearer" || got.ExpiresIn != 3600 || got.Scope != "read:customers write:customers" {
		t.Errorf("%+v", got)
	}
	head, claims := decode(t, got.AccessToken)
	if head["typ"] != "at+jwt" || head["alg"] != "ES256" || head["kid"] == "" {
		t.Errorf("header %v", head)
	}
	iat, exp := int64(claims["iat"].(float64)), int64(claims["exp"].(float64))
	if exp-iat != 3600 || iat < before || iat > time.Now().Unix() {
		t.Errorf("iat %d, exp %d", iat, exp)
	}
	for name, want := range map[string]string{
		"iss": s.issuer(), "aud": s.issuer(), "client_id": app.ClientID, "sub": app.ClientID, "scope": got.Scope,
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %s", name, claims[name], want)
		}
	}
	if jti, _ := claims["jti"].(string); jti == "" || len(claims) != 8 {
		t.Errorf("claims %v", claims)
	}
}

func decode(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, v := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// Sections 2 and 3: lifetime, audience and algorithm are the application's.
// go-oidc, which knows nothing of grantlog but its issuer, verifies each.
func TestAlgorithmsVerifyElsewhere(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	ctx := oidc.ClientContext(context.Background(), s.client())
	provider, err := oidc.NewProvider(ctx, s.issuer())
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{"ES256", "RS256", "PS256", "EdDSA"} {
		app := s.create(admin, settings{"signingAlg": alg, "audience": "https://api.example/" + alg, "tokenLifetime": 60})
		if app.SigningAlg != alg || app.TokenLifetime != 60 {
			t.Errorf("created %+v", app)
		}
		got := as[tokenResponse](s.requestToken(app).ok())
		if got.ExpiresIn != 60 {
			t.Errorf("%s: expires_in %d", alg, got.ExpiresIn)
		}
		verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: "https://api.example/" + alg, SupportedSigningAlgs: []string{alg}})
		token, err := verifier.Verify(ctx, got.AccessToken)
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if token.Subject != app.ClientID || token.Expiry.Sub(token.IssuedAt) != time.Minute {
			t.Errorf("%s: %+v", alg, token)
		}
		s.live(app, got.AccessToken)
	}
}

// Section 2: golang.org/x/oauth2 gets tokens in both of its styles.
func TestOAuth2ClientCredentials(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, s.client())
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		config := clientcredentials.Config{
			ClientID: app.ClientID, ClientSecret: app.ClientSecret, TokenURL: s.issuer() + "/oauth/token",
			Scopes: []string{"write:customers"}, AuthStyle: style,
		}
		token, err := config.Token(ctx)
		if err != nil {
			t.Errorf("style %d: %v", style, err)
			continue
		}
		if token.Type() != "Bearer" || !token.Valid() || token.Extra("scope") != "write:customers" {
			t.Errorf("style %d: %s, scope %v", style, token.Type(), token.Extra("scope"))
		}
		s.live(app, token.AccessToken)
	}
}

// Section 3: a request may narrow the scope; asking for more is invalid_scope.
func TestScopeOfATokenRequest(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	for asked, want := range map[string]string{
		"read:customers":                  "read:customers",
		"write:customers read:customers":  "write:customers read:customers",
		"write:customers write:customers": "write:customers",
		"":                                "read:customers write:customers",
	} {
		got := as[tokenResponse](s.requestToken(app, "scope", asked).ok())
		if got.Scope != want {
			t.Errorf("asked for %q: %q", asked, got.Scope)
		}
		if seen := s.introspect(app, got.AccessToken).Scope; seen != want {
			t.Errorf("asked for %q: introspected %q", asked, seen)
		}
	}
	for _, asked := range []string{
		"admin", "grantlog:admin", "read:customers delete:customers", "read", "read:customers\n", "read:customers  write:customers",
		" ", "read:customers\twrite:customers", `"read:customers"`, strings.Repeat("a", 10_000), "réad",
	} {
		a := s.requestToken(app, "scope", asked).want(http.StatusBadRequest)
		if code := as[protocolError](a).Error; code != "invalid_scope" {
			t.Errorf("asked for %.40q: %s", asked, code)
		}
	}
}

// Section 3: the scopes of an application may be taken away; new tokens follow.
func TestTokenFollowsTheApplication(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	s.json(http.MethodPut, app.path(), settings{"scopes": []string{"read:customers"}, "tokenLifetime": 120}, bearer(admin)).ok()
	got := as[tokenResponse](s.requestToken(app).ok())
	if got.Scope != "read:customers" || got.ExpiresIn != 120 {
		t.Errorf("%+v", got)
	}
	s.requestToken(app, "scope", "write:customers").want(http.StatusBadRequest)
}
