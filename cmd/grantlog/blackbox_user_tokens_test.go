package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Section 5: a token ends with its user's password, enabling and existence, at
// once and for good, also across a restart.
func TestUserTokensEnd(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	acme := s.token(manager)
	var tokens []string
	ended := func(what, token, message string) {
		t.Helper()
		s.dead(manager, token)
		s.get("/oauth/userinfo", bearer(token)).exactly(http.StatusUnauthorized,
			fmt.Sprintf(`{"error":"invalid_token","error_description":%q,"code":401,"message":%q}`, message, message))
		tokens = append(tokens, token)
	}
	for name, change := range map[string]settings{
		"disabled": {"disabled": true}, "password": {"password": agentPassword + "!"},
	} {
		u := s.createUser(acme, name+"@example.com")
		bystander, token := s.userToken(agentEmail), s.userToken(u.Email)
		s.json(http.MethodPut, u.path(), settings{"role": "ADMIN", "siteId": 9}, bearer(acme)).ok() // ends nothing
		s.get("/oauth/userinfo", bearer(token)).ok()
		s.json(http.MethodPut, u.path(), change, bearer(acme)).ok()
		ended(name, token, "Token revoked")
		s.json(http.MethodPut, u.path(), settings{"disabled": false}, bearer(acme)).ok()
		ended(name+", enabled again", token, "Token revoked")
		s.live(manager, bystander)
	}
	u := s.createUser(acme, "deleted@example.com")
	token := s.userToken(u.Email)
	s.do(http.MethodDelete, u.path(), "", "", bearer(acme)).want(http.StatusNoContent)
	ended("deleted", token, "Token revoked")
	s.restart()
	s.dead(manager, tokens...)

	// The feeds say so: one line for each ending.
	var reasons []string
	for _, e := range as[struct {
		Revocations []struct {
			Reason string `json:"reason"`
			User   string `json:"userId"`
			Before uint64 `json:"before"`
		} `json:"revocations"`
	}](s.get("/oauth/revocations?after=0", bearer(s.token(manager))).ok()).Revocations {
		if e.User != "" && e.Before > 0 {
			reasons = append(reasons, e.Reason)
		}
	}
	sameSet(t, "reasons", reasons, []string{"user_disabled", "password_changed", "user_deleted"})
}

// SECURITY.md (Authentik CVE-2025-64521): of logins that race with a disabling,
// none leaves a token that lives on, whoever was first in the log; enabling at
// once changes nothing about that.
func TestNoTokenOutlivesADisabling(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	acme := s.token(manager)
	u := s.createUser(acme, "race@example.com")
	var mu sync.Mutex
	var tokens []string
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				if a := s.login(u.Email, agentPassword); a.status == http.StatusOK {
					mu.Lock()
					tokens = append(tokens, as[tokenResponse](a).AccessToken)
					mu.Unlock()
				}
			}
		})
	}
	s.eventually("logins succeed", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(tokens) >= 8
	})
	s.json(http.MethodPut, u.path(), settings{"disabled": true}, bearer(acme)).ok()
	stop.Store(true)
	wg.Wait()
	s.json(http.MethodPut, u.path(), settings{"disabled": false}, bearer(acme)).ok()
	s.dead(manager, tokens...)
}

// OpenID Connect Core section 5.3, RFC 6750 section 3.1.
func TestUserinfoRefusals(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	for name, c := range map[string]struct {
		answer  answer
		status  int
		code    string
		message string
	}{
		"no token":         {s.get("/oauth/userinfo"), 401, "invalid_token", "Missing access token"},
		"no token of ours": {s.get("/oauth/userinfo", bearer("x.y.z")), 401, "invalid_token", "Invalid token"},
		"basic":            {s.get("/oauth/userinfo", basic(manager)), 401, "invalid_token", "Missing access token"},
		"a client's token": {s.get("/oauth/userinfo", bearer(s.token(manager))), 403, "insufficient_scope", "Insufficient scope for this endpoint"},
		"in the query":     {s.get("/oauth/userinfo?access_token=" + s.userToken(agentEmail)), 401, "invalid_token", "Missing access token"},
	} {
		want := fmt.Sprintf(`{"error":%q,"error_description":%q,"code":%d,"message":%q}`, c.code, c.message, c.status, c.message)
		c.answer.exactly(c.status, want)
		if !strings.HasPrefix(c.answer.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: challenge %q", name, c.answer.header.Get("WWW-Authenticate"))
		}
	}
}
