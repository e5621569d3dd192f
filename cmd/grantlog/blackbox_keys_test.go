package main_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

type keyList struct {
	Keys []struct {
		ID        string `json:"kid"`
		Algorithm string `json:"alg"`
		Status    string `json:"status"`
	} `json:"keys"`
}

// DESIGN.md, RFC 7517: a new key is published before it signs; what the former
// one signed still verifies; the JWKS is never empty.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	s := start(t, "--jwks-cache", "1s", "--max-staleness", "4s")
	admin := s.admin()
	app := s.create(admin, settings{"audience": "api"})
	before := s.publishedKeysOnceComplete()
	old := s.token(app)
	s.get("/oauth/jwks").ok().has("Cache-Control", "public, max-age=1")

	s.json(http.MethodPost, "/oauth/keys/rotate", settings{"alg": "ES256"}, bearer(admin)).ok()
	after := s.publishedKeys()
	if len(after) != len(before)+1 {
		t.Fatalf("%d keys are published, were %d", len(after), len(before))
	}
	newKey := ""
	for kid, alg := range after {
		if before[kid] == "" {
			newKey = kid
			if alg != "ES256" {
				t.Errorf("the new key is for %s", alg)
			}
		}
	}
	var token string
	s.eventually("the new key signs", func() bool {
		token = s.token(app)
		return kidOf(t, token) == newKey
	})
	ctx := oidc.ClientContext(context.Background(), s.client())
	keys := oidc.NewRemoteKeySet(ctx, s.issuer()+"/oauth/jwks")
	verifier := oidc.NewVerifier(s.issuer(), keys, &oidc.Config{ClientID: "api", SupportedSigningAlgs: []string{"ES256"}})
	for _, signed := range []string{old, token} {
		if _, err := verifier.Verify(ctx, signed); err != nil {
			t.Error(err)
		}
	}
	s.live(app, old, token)
	s.restart()
	s.live(app, old, token)
	if kid := kidOf(t, s.token(app)); kid != newKey {
		t.Errorf("after a restart %s signs", kid)
	}
	if now := s.publishedKeys(); fmt.Sprint(now) != fmt.Sprint(after) {
		t.Errorf("published %v, were %v", now, after)
	}
}

func (s *server) publishedKeysOnceComplete() map[string]string {
	s.t.Helper()
	s.position()
	return s.publishedKeys()
}

func kidOf(t testing.TB, token string) string {
	t.Helper()
	header, _ := decode(t, token)
	return fmt.Sprint(header["kid"])
}

// Rotation on request is for administrators, of all algorithms unless one is
// named.
func TestRotateRequests(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	manager := s.token(s.create(admin, settings{"scopes": []string{"applications:read", "applications:write"}}))
	position := s.position()
	s.do(http.MethodPost, "/oauth/keys/rotate", "", "").want(http.StatusUnauthorized)
	s.do(http.MethodPost, "/oauth/keys/rotate", "", "", bearer(manager)).want(http.StatusForbidden)
	s.get("/oauth/keys", bearer(manager)).want(http.StatusForbidden)
	for _, body := range []string{`{"alg":"HS256"}`, `{"alg":"none"}`, `{"alg":""}`, `{"alg":1}`, `{"algorithm":"ES256"}`, `[]`} {
		s.do(http.MethodPost, "/oauth/keys/rotate", "application/json", body, bearer(admin)).want(http.StatusBadRequest)
	}
	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}
	// New keys do not sign before caches know them, which takes minutes here.
	before := s.publishedKeys()
	rotated := s.do(http.MethodPost, "/oauth/keys/rotate", "", "", bearer(admin)).ok()
	if rotated.header.Get("Consistency-Token") == "" {
		t.Error("no Consistency-Token")
	}
	keys := as[keyList](rotated).Keys
	for _, k := range keys {
		if want := map[bool]string{true: "pending", false: "active"}[before[k.ID] == ""]; k.Status != want {
			t.Errorf("right after the rotation, %s is %s, want %s", k.ID, k.Status, want)
		}
	}
	if len(before) != 4 || len(keys) != 8 {
		t.Errorf("%d keys, were %d", len(keys), len(before))
	}
	if kid := kidOf(t, s.token(s.administrator())); before[kid] == "" {
		t.Errorf("%s signs already", kid)
	}
	// A second rotation does not pile up keys.
	s.json(http.MethodPost, "/oauth/keys/rotate", settings{"alg": "ES256"}, bearer(admin)).want(http.StatusConflict)
}
