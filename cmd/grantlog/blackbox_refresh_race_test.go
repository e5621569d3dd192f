package main_test

import (
	"net/http"
	"sync"
	"testing"
)

// G6: of any number of presentations at once, on any replica, at most one is
// successful, and the family has ended when the last one is answered.
func TestRefreshRace(t *testing.T) {
	t.Parallel()
	c := prepareCluster(t, "--seed", writeFile(t, "seed.yaml", refreshSeed))
	for _, s := range c.members {
		s.env = []string{"AGENT_PASSWORD=" + agentPassword, "USERS_SECRET=" + usersSecret}
		s.launch()
	}
	c.ready()
	s := c.members[0]
	for range 5 {
		first := s.begin("app_mobile")
		answers := make([]answer, 9)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = c.members[i%3].refresh("app_mobile", first.RefreshToken, "") })
		}
		all.Wait()
		var tokens []string
		for _, a := range answers {
			if a.status == http.StatusOK {
				tokens = append(tokens, as[session](a).AccessToken)
				continue
			}
			refused(a)
		}
		if len(tokens) > 1 {
			t.Errorf("%d presentations of one token were successful", len(tokens))
		}
		for _, m := range c.members {
			for _, token := range append(tokens, first.AccessToken) {
				m.eventually("the family has ended", func() bool { return !m.introspect(manager, token).Active })
			}
		}
	}

	// With one key they are one presentation.
	first := s.begin("app_mobile")
	answers := make([]session, 6)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = as[session](c.members[i%3].refresh("app_mobile", first.RefreshToken, "one")) })
	}
	all.Wait()
	for _, a := range answers {
		if a.RefreshToken == "" || a.RefreshToken != answers[0].RefreshToken {
			t.Errorf("%+v, another got %+v", a, answers[0])
		}
		s.live(manager, a.AccessToken)
	}
	c.members[1].refreshed("app_mobile", answers[0].RefreshToken, "")
}
