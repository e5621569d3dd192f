package main_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A partner whose clients may refresh: public ones and one with a secret.
const refreshSeed = `
organizations:
  - id: acme
    name: Acme
    partnerId: "10000"
    users:
      - {email: "Agent@Example.com", passwordEnv: AGENT_PASSWORD, role: AGENT, siteId: 10115}
    applications:
      - {name: Mobile, clientId: app_mobile, scopes: [ids.scope, openid, profile], grantTypes: [password, refresh_token]}
      - {name: Other, clientId: app_other, scopes: [ids.scope, openid], grantTypes: [password, refresh_token]}
      - {name: Login only, clientId: app_login, scopes: [ids.scope], grantTypes: [password]}
      - {name: Backend, clientId: app_backend, clientSecretEnv: USERS_SECRET, scopes: [ids.scope], grantTypes: [password, refresh_token], tokenLifetime: 60}
      - {name: Manager, clientId: app_acme, clientSecretEnv: USERS_SECRET,
         scopes: ["users:read", "users:write", "applications:read", "applications:write", "tokens:introspect", "events:read", "revocations:read"]}
`

func prepareRefresh(t *testing.T, args ...string) *server {
	t.Helper()
	s := prepare(t, append([]string{"--seed", writeFile(t, "seed.yaml", refreshSeed)}, args...)...)
	s.env = []string{"AGENT_PASSWORD=" + agentPassword, "USERS_SECRET=" + usersSecret}
	return s
}

func startRefresh(t *testing.T) *server {
	t.Helper()
	s := prepareRefresh(t)
	s.start()
	return s
}

// session is an answer that can be refreshed.
type session struct {
	tokenResponse
	RefreshToken string `json:"refresh_token"`
}

// begin logs in as a public client.
func (s *server) begin(client string, pairs ...string) session {
	s.t.Helper()
	return as[session](s.form(partnerQuery, append([]string{
		"client_id", client, "grant_type", "password", "email", agentEmail, "password", agentPassword,
	}, pairs...)).ok())
}

// refresh presents a refresh token of a public client, with an Idempotency-Key
// unless it is empty.
func (s *server) refresh(client, token, key string, pairs ...string) answer {
	s.t.Helper()
	var opts []option
	if key != "" {
		opts = append(opts, header("Idempotency-Key", key))
	}
	return s.form("/oauth/token", append([]string{"client_id", client, "grant_type", "refresh_token", "refresh_token", token}, pairs...), opts...)
}

func (s *server) refreshed(client, token, key string, pairs ...string) session {
	s.t.Helper()
	return as[session](s.refresh(client, token, key, pairs...).ok())
}

// refused expects the one answer to every refresh token that does not count.
func refused(a answer) {
	a.t.Helper()
	a.exactly(http.StatusBadRequest, `{"error":"invalid_grant","error_description":"Invalid refresh token","code":400,"message":"Invalid refresh token"}`)
}

// RFC 6749 section 6: each refresh token gives an access token and its own
// successor.
func TestRefreshGrant(t *testing.T) {
	t.Parallel()
	s := startRefresh(t)
	a := s.form(partnerQuery, []string{"client_id", "app_mobile", "grant_type", "password", "email", agentEmail, "password", agentPassword}).ok()
	if !regexp.MustCompile(`^\{"access_token":"[\w.-]+","token_type":"Bearer","expires_in":43200,"refresh_token":"refresh_[\w-]{43}"\}\s*$`).Match(a.body) {
		t.Fatalf("%s", a.body)
	}
	first := as[session](a)
	claims := members(t, decoded(t, first.AccessToken, 1))
	seen, last := []string{first.RefreshToken}, first
	for range 3 {
		next := s.refreshed("app_mobile", last.RefreshToken, "")
		if next.TokenType != "Bearer" || next.ExpiresIn != 43200 || next.Scope != "ids.scope openid profile" || slices.Contains(seen, next.RefreshToken) {
			t.Errorf("%+v", next)
		}
		got := members(t, decoded(t, next.AccessToken, 1))
		for _, name := range []string{"sub", "userId", "partnerId", "role", "client_id", "aud", "auth_time", "idp"} {
			if got[name] != claims[name] {
				t.Errorf("%s is %v, was %v", name, got[name], claims[name])
			}
		}
		s.live(manager, last.AccessToken, next.AccessToken)
		seen, last = append(seen, next.RefreshToken), next
	}
	s.get("/oauth/userinfo", bearer(last.AccessToken)).ok()

	// Less may be asked for, and the next time all of it again; never more.
	narrow := s.refreshed("app_mobile", last.RefreshToken, "", "scope", "openid")
	if narrow.Scope != "openid" || s.introspect(manager, narrow.AccessToken).Scope != "openid" {
		t.Errorf("%+v", narrow)
	}
	a = s.refresh("app_mobile", narrow.RefreshToken, "", "scope", "openid users:read").want(http.StatusBadRequest)
	if !strings.Contains(string(a.body), "invalid_scope") {
		t.Errorf("%s", a.body)
	}
	whole := s.refreshed("app_mobile", narrow.RefreshToken, "") // the refusal did not use it up
	if whole.Scope != "ids.scope openid profile" {
		t.Errorf("%+v", whole)
	}
	less := s.begin("app_mobile", "scope", "openid")
	a = s.refresh("app_mobile", less.RefreshToken, "", "scope", "ids.scope").want(http.StatusBadRequest)
	if !strings.Contains(string(a.body), "invalid_scope") {
		t.Errorf("more than the user logged in for: %s", a.body)
	}

	// A refresh token opens nothing else.
	if s.introspect(manager, whole.RefreshToken).Active {
		t.Error("a refresh token is introspected")
	}
	s.get("/oauth/userinfo", bearer(whole.RefreshToken)).want(http.StatusUnauthorized)
}

// The threat of Zitadel CVE-2026-55672, and the rest of bad input: refused,
// and the token is as good as before.
func TestRefreshRefusals(t *testing.T) {
	t.Parallel()
	s := startRefresh(t)
	token := s.begin("app_mobile").RefreshToken
	refused(s.refresh("app_other", token, ""))
	refused(s.refresh("app_other", token, "k"))
	for _, wrong := range []string{
		"x", "refresh_", token[:len(token)-1], token + "A", "refresh_" + strings.Repeat("A", 43), strings.ToUpper(token), token + " ",
	} {
		refused(s.refresh("app_mobile", wrong, ""))
	}
	for code, pairs := range map[string][]string{
		"invalid_request":     {"client_id", "app_mobile", "grant_type", "refresh_token"},
		"unauthorized_client": {"client_id", "app_login", "grant_type", "refresh_token", "refresh_token", token},
		"invalid_client":      {"client_id", "app_backend", "grant_type", "refresh_token", "refresh_token", token},
	} {
		if a := s.form("/oauth/token", pairs); !strings.Contains(string(a.body), code) {
			t.Errorf("want %s: %s", code, a.body)
		}
	}
	s.form("/oauth/token?partnerId=99", []string{"client_id", "app_mobile", "grant_type", "refresh_token", "refresh_token", token}).want(http.StatusBadRequest)
	for _, key := range []string{"é", strings.Repeat("k", 256), "\t"} {
		s.do(http.MethodPost, "/oauth/token", formType, "client_id=app_mobile&grant_type=refresh_token&refresh_token="+token, header("Idempotency-Key", key)).want(http.StatusBadRequest)
	}
	s.form("/oauth/token", []string{"client_id", "app_mobile", "grant_type", "refresh_token", "refresh_token", token},
		header("Idempotency-Key", "a"), header("Idempotency-Key", "b")).want(http.StatusBadRequest)
	s.refreshed("app_mobile", token, "")

	if s.begin("app_login").RefreshToken != "" {
		t.Error("an application without refresh_token got one")
	}
}

// G6: the reuse of a refresh token ends everything that came from the login,
// for good.
func TestRefreshReuse(t *testing.T) {
	t.Parallel()
	s := startRefresh(t)
	other := s.begin("app_mobile")
	first := s.begin("app_mobile")
	second := s.refreshed("app_mobile", first.RefreshToken, "")
	third := s.refreshed("app_mobile", second.RefreshToken, "k")
	s.live(manager, first.AccessToken, second.AccessToken, third.AccessToken)
	refused(s.refresh("app_mobile", first.RefreshToken, ""))

	ended := func() {
		t.Helper()
		s.dead(manager, first.AccessToken, second.AccessToken, third.AccessToken)
		for _, token := range []string{first.RefreshToken, second.RefreshToken, third.RefreshToken} {
			refused(s.refresh("app_mobile", token, ""))
			refused(s.refresh("app_mobile", token, "k"))
		}
	}
	ended()
	s.kill()
	s.start()
	ended()
	s.restart() // from a snapshot
	ended()
	s.live(manager, other.AccessToken)
	s.refreshed("app_mobile", other.RefreshToken, "")

	// Listeners know it from the feed.
	feed := as[struct {
		Revocations []struct {
			Reason, FamilyID, UserID string
		} `json:"revocations"`
	}](s.get("/oauth/revocations?after=1", bearer(s.token(manager))).ok())
	if len(feed.Revocations) != 1 || feed.Revocations[0].Reason != "refresh_token_reused" || feed.Revocations[0].FamilyID == "" || feed.Revocations[0].UserID == "" {
		t.Errorf("revocations: %+v", feed.Revocations)
	}

	// Auditors see what ended it, unless a replica had to make up for the telling.
	told := s.audited(s.token(manager), url.Values{"type": {"refresh.presented,refresh.family_ended"}})
	i := slices.IndexFunc(told, func(e auditEvent) bool { return e.Type == "refresh.family_ended" })
	if i < 1 {
		t.Fatalf("the ending is not there: %+v", told)
	}
	if cause, end := told[i-1], told[i]; !strings.HasPrefix(end.Correlation, "reuse_") && (end.Causation != cause.ID || end.Correlation != cause.Correlation) {
		t.Errorf("%+v ended by %+v", cause, end)
	}
}

// A client that lost the answer asks again with the same key.
func TestRefreshRepeated(t *testing.T) {
	t.Parallel()
	s := startRefresh(t)
	first := s.begin("app_mobile")
	second := s.refreshed("app_mobile", first.RefreshToken, "lost")
	s.kill()
	s.start()
	again := s.refreshed("app_mobile", first.RefreshToken, "lost")
	if again.RefreshToken != second.RefreshToken || again.AccessToken == second.AccessToken {
		t.Errorf("the second answer is %+v, the first was %+v", again, second)
	}
	s.live(manager, first.AccessToken, second.AccessToken, again.AccessToken)
	third := s.refreshed("app_mobile", second.RefreshToken, "")
	refused(s.refresh("app_mobile", first.RefreshToken, "lost")) // its successor was used: whoever asks has it
	s.dead(manager, first.AccessToken, second.AccessToken, again.AccessToken, third.AccessToken)
	refused(s.refresh("app_mobile", third.RefreshToken, ""))

	login := s.begin("app_mobile")
	s.refreshed("app_mobile", login.RefreshToken, "mine")
	refused(s.refresh("app_mobile", login.RefreshToken, "stolen"))
	s.dead(manager, login.AccessToken)
}

// SECURITY.md: checked at refresh too.
func TestRefreshEndsWithWhatItWasDecidedOn(t *testing.T) {
	t.Parallel()
	s := startRefresh(t)
	admin := s.token(manager)
	agent := s.users(admin, "")[0]
	backend := application{ClientID: "app_backend", ClientSecret: usersSecret}
	beginBackend := func() session {
		t.Helper()
		return as[session](s.form(partnerQuery, []string{"grant_type", "password", "email", agentEmail, "password", agentPassword}, basic(backend)).ok())
	}
	refreshBackend := func(token string) answer {
		t.Helper()
		return s.form("/oauth/token", []string{"grant_type", "refresh_token", "refresh_token", token}, basic(backend))
	}

	// Revoked by its client: RFC 7009 section 2.1.
	a := s.begin("app_mobile")
	s.form("/oauth/revoke", []string{"client_id", "app_other", "token", a.RefreshToken}).want(http.StatusBadRequest)
	a = s.refreshed("app_mobile", a.RefreshToken, "")
	s.form("/oauth/revoke", []string{"client_id", "app_mobile", "token", a.RefreshToken, "token_type_hint", "refresh_token"}).ok()
	s.form("/oauth/revoke", []string{"client_id", "app_mobile", "token", a.RefreshToken}).ok()
	s.dead(manager, a.AccessToken)
	refused(s.refresh("app_mobile", a.RefreshToken, ""))

	// An overlap of secrets does not end it if the client moves on in time.
	b := beginBackend()
	if b.ExpiresIn != 60 {
		t.Errorf("%+v", b)
	}
	var of application
	for _, app := range s.list(admin, "limit=200") {
		if app.ClientID == backend.ClientID {
			of = app
		}
	}
	fresh := as[application](s.json(http.MethodPost, of.path("regenerate-secret"), settings{"overlapSeconds": 3600}, bearer(admin)).ok())
	backend.ClientSecret = fresh.ClientSecret
	b = as[session](refreshBackend(b.RefreshToken).ok())
	fresh = as[application](s.json(http.MethodPost, of.path("regenerate-secret"), settings{}, bearer(admin)).ok())
	backend.ClientSecret = fresh.ClientSecret
	refused(refreshBackend(b.RefreshToken))
	s.dead(manager, b.AccessToken)
	refused(refreshBackend(b.RefreshToken))

	// No longer allowed to: not used up.
	c := beginBackend()
	s.json(http.MethodPut, of.path(), settings{"grantTypes": []string{"password"}}, bearer(admin)).ok()
	if got := refreshBackend(c.RefreshToken).want(http.StatusBadRequest); !strings.Contains(string(got.body), "unauthorized_client") {
		t.Errorf("%s", got.body)
	}
	s.json(http.MethodPut, of.path(), settings{"grantTypes": []string{"password", "refresh_token"}}, bearer(admin)).ok()
	c = as[session](refreshBackend(c.RefreshToken).ok())

	// The user.
	s.json(http.MethodPut, agent.path(), settings{"disabled": true}, bearer(admin)).ok()
	refused(refreshBackend(c.RefreshToken))
	s.json(http.MethodPut, agent.path(), settings{"disabled": false}, bearer(admin)).ok()
	refused(refreshBackend(c.RefreshToken))
	d := s.begin("app_mobile")
	s.refreshed("app_mobile", d.RefreshToken, "")
}

// G11, section 8: nothing that is a refresh token stands outside of answers,
// and auditors see who refreshed, not how it is recognized.
func TestRefreshTokensAppearNowhere(t *testing.T) {
	t.Parallel()
	s := startRefresh(t)
	first := s.begin("app_mobile")
	second := s.refreshed("app_mobile", first.RefreshToken, "canary-key")
	refused(s.refresh("app_other", second.RefreshToken, ""))
	events := string(s.get("/oauth/events?limit=200", bearer(s.token(manager))).ok().body)
	if !strings.Contains(events, `"refresh.presented"`) || !strings.Contains(events, `"family"`) || strings.Contains(events, `"digest"`) || strings.Contains(events, `"successor"`) {
		t.Errorf("%.3000s", events)
	}
	s.stop()
	for _, secret := range []string{first.RefreshToken, second.RefreshToken, "canary-key"} {
		lookFor(t, s.data, "a refresh token or its key", []byte(secret))
		if strings.Contains(s.out.String(), secret) {
			t.Error("the server printed a refresh token or its key")
		}
	}
}
