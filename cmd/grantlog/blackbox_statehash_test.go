package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// SECURITY.md G5: one beginning of the log is one state hash, on three replicas
// that run on different numbers of processors, after a start from a snapshot,
// and for a reader that folds all of it by itself.
func TestStateHashIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	c := replicas(t)
	s := c.members[0]
	admin := s.token(c.administrator())
	app := s.create(admin, settings{"scopes": []string{"a"}})
	token := s.token(app)
	for range 5 {
		s.token(app)
	}
	s.form("/oauth/revoke", []string{"token", token}, basic(app)).ok()
	s.json(http.MethodPost, "/oauth/users", settings{"email": "agent@example.com", "role": "AGENT", "siteId": 1}, bearer(admin)).want(http.StatusCreated)
	s.json(http.MethodPost, app.path("regenerate-secret"), settings{"overlapSeconds": 60}, bearer(admin)).ok()
	at := as[struct{ Position json.Number }](s.get("/readyz").ok()).Position.String()

	type said struct{ who, hash string }
	var all []said
	ask := func(who string, m *server) {
		t.Helper()
		m.eventually(who+" is as far", func() bool {
			there, err := as[struct{ Position json.Number }](m.get("/readyz")).Position.Int64()
			want, _ := json.Number(at).Int64()
			return err == nil && there >= want
		})
		a := as[struct{ StateHash string }](m.get("/oauth/replay/summary?as_of="+at, bearer(admin)).ok())
		all = append(all, said{who, a.StateHash})
	}
	for i, m := range c.members {
		ask(fmt.Sprint("replica ", i), m)
	}
	for i, m := range c.members[1:] {
		m.stop() // keeps a snapshot
		m.env = append(m.env, fmt.Sprint("GOMAXPROCS=", 1+3*i))
		m.start()
		ask(fmt.Sprintf("replica %d, from a snapshot on %d processors", i+1, 1+3*i), m)
	}
	for _, processors := range []string{"1", "4"} {
		env := append(slices.Clone(s.env), "GOMAXPROCS="+processors)
		r := run(t, env, "replay", s.args[0], s.args[1], "--state-hash", "--as-of", at, "--out", "json")
		var a struct{ StateHash string }
		if err := json.Unmarshal([]byte(r.stdout), &a); err != nil || r.code != 0 {
			t.Fatalf("%d %v\n%s%s", r.code, err, r.stdout, r.stderr)
		}
		all = append(all, said{"replay on " + processors + " processors", a.StateHash})
	}
	for _, one := range all {
		if len(one.hash) != 64 || one.hash != all[0].hash {
			t.Errorf("%s: %s, and %s: %s", one.who, one.hash, all[0].who, all[0].hash)
		}
	}
}
