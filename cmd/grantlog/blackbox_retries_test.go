package main_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// pair is two replicas on a NATS of its own, so that one writes while the
// other is dead.
func startPair(t *testing.T, seed string, env ...string) (a, b *server) {
	t.Helper()
	host, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	opts := &natsserver.Options{Host: host, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true}
	if opts.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	nats, err := natsserver.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	go nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	if !nats.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	file := writeFile(t, "seed.yaml", seed)
	var pair []*server
	for range 2 {
		s := prepare(t, "--nats", "nats://"+net.JoinHostPort(host, port), "--seed", file)
		s.env = append(env, "GRANTLOG_MASTER_KEY="+strings.Repeat("A", 43)+"=")
		pair = append(pair, s)
	}
	for _, s := range pair {
		s.args = append(s.args, "--issuer", pair[0].issuer())
		s.start()
	}
	return pair[0], pair[1]
}

const retriesSeed = `
organizations:
  - id: acme
    name: Acme
    providers:
      - {name: f4w, tokenUrl: "PROVIDER/oauth/token", revokeUrl: "PROVIDER/oauth/revoke", clientId: scheduler, clientSecretEnv: F4W_SECRET}
    applications:
      - {name: Manager, clientId: app_acme, clientSecretEnv: USERS_SECRET, grantTypes: [client_credentials],
         scopes: ["users:read", "users:write", "applications:read", "applications:write", "authentications:read", "authentications:write"]}
`

func startRetries(t *testing.T) (a, b *server, p *thirdParty) {
	t.Helper()
	p = newThirdParty(t)
	a, b = startPair(t, strings.ReplaceAll(retriesSeed, "PROVIDER", p.URL), "USERS_SECRET="+usersSecret, "F4W_SECRET="+providerSecret)
	return a, b, p
}

func keyed(key string) option { return header("Idempotency-Key", key) }

// sameAnswer ends the test unless an answer is another one once more.
func sameAnswer(first, again answer) {
	first.t.Helper()
	if first.status != again.status || !bytes.Equal(first.body, again.body) || first.header.Get("Consistency-Token") != again.header.Get("Consistency-Token") {
		first.t.Fatalf("first %d %s %s\nagain %d %s %s", first.status, first.header.Get("Consistency-Token"), first.body,
			again.status, again.header.Get("Consistency-Token"), again.body)
	}
}

// Issue 5, part 2: a retry has the first answer on another replica, while the
// first one is dead and when it is back; also if the first was killed before
// anybody heard of an answer.
func TestRetriesSurviveAKilledReplica(t *testing.T) {
	t.Parallel()
	a, b, _ := startRetries(t)
	token := a.token(manager)
	body := settings{"name": "Once", "scopes": []string{"read:customers"}}
	post := func(s *server, path, key string, body any) answer {
		return s.json(http.MethodPost, path, body, bearer(token), keyed(key))
	}

	first := post(a, "/oauth/applications", `"answered"`, body).want(http.StatusCreated)
	app := as[application](first)
	rotated := post(a, app.path("regenerate-secret"), "rotate", settings{}).ok()
	var issued answer
	b.eventually("the other one knows the new secret", func() bool {
		issued = b.form("/oauth/token", []string{"grant_type", "client_credentials"}, basic(as[application](rotated)), after(rotated))
		return issued.status != http.StatusServiceUnavailable
	})
	live := as[tokenResponse](issued.ok()).AccessToken
	a.kill()
	sameAnswer(rotated, post(b, app.path("regenerate-secret"), "rotate", settings{}))
	post(b, "/oauth/applications", `"answered"`, body).want(http.StatusGone) // its secret was replaced
	a.start()
	sameAnswer(rotated, post(a, app.path("regenerate-secret"), "rotate", settings{}))
	if a.token(as[application](rotated)) == "" || !b.introspect(manager, live).Active {
		t.Error("a retry ended something")
	}

	for round := range 4 {
		key, name := "lost-"+strconv.Itoa(round), settings{"name": "Lost " + strconv.Itoa(round)}
		var lost sync.WaitGroup
		lost.Go(func() { unheard(a, token, key, `{"name":"Lost `+strconv.Itoa(round)+`"}`) })
		if round%2 == 1 { // most likely it has it by then
			b.eventually("the request is recorded", func() bool { return named(b, token, name["name"].(string)) == 1 })
		}
		a.kill()
		lost.Wait()
		first := post(b, "/oauth/applications", key, name).want(http.StatusCreated)
		sameAnswer(first, post(b, "/oauth/applications", key, name))
		a.start()
		sameAnswer(first, post(a, "/oauth/applications", key, name))
		if n := named(a, token, name["name"].(string)); n != 1 {
			t.Errorf("%d applications of one key", n)
		}
		a.requestToken(as[application](first)).ok()
	}
	for _, s := range []*server{a, b} {
		for _, secret := range []string{app.ClientSecret, as[application](rotated).ClientSecret} {
			if strings.Contains(s.out.String(), secret) {
				t.Error("a secret in the output")
			}
		}
	}
}

// unheard sends a request whose answer nobody waits for longer than the server
// lives.
func unheard(s *server, token, key, body string) {
	r, err := http.NewRequest(http.MethodPost, s.issuer()+"/oauth/applications", strings.NewReader(body))
	if err != nil {
		return
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "Idempotency-Key": key} {
		r.Header.Set(name, value)
	}
	if resp, err := (&http.Client{Transport: &http.Transport{}, Timeout: patience}).Do(r); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// named counts the applications of a name.
func named(s *server, token, name string) (n int) {
	for _, a := range s.list(token, "limit=200") {
		if a.Name == name {
			n++
		}
	}
	return n
}

// Of requests that come to two replicas at once one makes something, and all
// have its answer. A login at a third party may happen on both: one is kept.
func TestRetriesAtOnce(t *testing.T) {
	t.Parallel()
	a, b, p := startRetries(t)
	token := a.token(manager)
	b.eventually("both show the token", func() bool { return b.get("/oauth/applications", bearer(token)).status == http.StatusOK })
	for path, body := range map[string]any{
		"/oauth/applications": settings{"name": "Once"},
		"/oauth/users":        map[string]any{"email": "once@example.com", "password": agentPassword},
		authenticationsPath:   realLogin,
	} {
		answers := make([]answer, 6)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				answers[i] = []*server{a, b}[i%2].json(http.MethodPost, path, body, bearer(token), keyed("race"+path))
			})
		}
		all.Wait()
		for _, again := range answers {
			sameAnswer(answers[0].want(http.StatusCreated), again)
		}
	}
	p.mu.Lock()
	if kept := p.serial - len(p.revoked); kept != 1 || p.serial > 2 {
		t.Errorf("%d logins, %d of them ended", p.serial, len(p.revoked))
	}
	p.mu.Unlock()
	if list := as[[]stored](b.get(authenticationsPath, bearer(token)).ok()); len(list) != 1 {
		t.Errorf("%d authentications", len(list))
	}
}

// What is answered depends on what became of it: a user as it was made, an
// authentication as it is; and what is deleted is not made again.
func TestRetriesOfUsersAndAuthentications(t *testing.T) {
	t.Parallel()
	a, b, p := startRetries(t)
	token := a.token(manager)
	person := map[string]any{"email": "once@example.com", "password": agentPassword, "role": "AGENT", "siteId": 7}
	post := func(s *server, path string, body any) answer {
		return s.json(http.MethodPost, path, body, bearer(token), keyed("k-"+path))
	}
	first := post(a, "/oauth/users", person).want(http.StatusCreated)
	made := as[user](first)
	sameAnswer(first, post(b, "/oauth/users", person))
	a.json(http.MethodPut, "/oauth/users/"+made.ID, map[string]any{"email": "other@example.com", "role": "ADMIN"}, bearer(token)).ok()
	sameAnswer(first, post(b, "/oauth/users", person))
	for name, value := range map[string]any{"password": agentPassword + "!", "email": "two@example.com", "role": "ADMIN"} {
		other := map[string]any{"email": person["email"], "password": person["password"], "role": person["role"], "siteId": 7}
		other[name] = value
		post(b, "/oauth/users", other).want(http.StatusUnprocessableEntity)
	}
	a.do(http.MethodDelete, "/oauth/users/"+made.ID, "", "", bearer(token)).want(http.StatusNoContent)
	post(b, "/oauth/users", person).want(http.StatusGone)

	login := post(a, authenticationsPath, realLogin).want(http.StatusCreated)
	sameAnswer(login, post(b, authenticationsPath, realLogin))
	post(b, authenticationsPath, map[string]any{"provider": "f4w", "username": providerUser, "password": "x"}).want(http.StatusUnprocessableEntity)
	p.mu.Lock()
	if p.serial != 1 {
		t.Errorf("%d logins", p.serial)
	}
	p.mu.Unlock()
	a.do(http.MethodDelete, authenticationsPath+"/"+as[stored](login).ID, "", "", bearer(token)).ok()
	post(b, authenticationsPath, realLogin).want(http.StatusGone)
	// A refused login is not remembered: the right password is asked for next.
	key := keyed("again")
	wrong := map[string]any{"provider": "f4w", "username": providerUser, "password": "wrong"}
	a.json(http.MethodPost, authenticationsPath, wrong, bearer(token), key).want(http.StatusUnprocessableEntity)
	a.json(http.MethodPost, authenticationsPath, realLogin, bearer(token), key).want(http.StatusCreated)
}

// A restart forgets no request; neither the key nor the secret stands anywhere.
func TestRetryAfterARestart(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	const key = "canary-idempotency-key"
	post := func() answer {
		return s.json(http.MethodPost, "/oauth/applications", settings{"name": "Once"}, bearer(admin), keyed(key))
	}
	first := post().want(http.StatusCreated)
	s.restart() // from a snapshot
	sameAnswer(first, post())
	s.kill()
	s.start()
	sameAnswer(first, post())
	for name, text := range map[string]string{"a secret": as[application](first).ClientSecret, "an Idempotency-Key": key} {
		lookFor(t, s.data, name, []byte(text))
		if strings.Contains(s.out.String(), text) {
			t.Errorf("%s is in the output", name)
		}
	}
}
