package main_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// SECURITY.md G8: replicas that cannot tell each other what they admitted let
// no more calls through than the bound says. One that is cut off from the log
// comes to its share and answers 503 from then on.
func limitsAcrossAPartition(t *testing.T) {
	between := newLinks(t)
	c := prepareCluster(t, "--seed", writeFile(t, "seed.yaml", guardedSeed))
	between.connect(c)
	for _, s := range c.members {
		s.env = []string{"MANAGER_SECRET=" + managerSecret}
		s.launch()
	}
	c.recovered()
	demo := application{ClientID: "app_demo", ClientSecret: managerSecret}
	var issued answer
	c.members[0].eventually("a token is issued", func() bool {
		issued = c.members[0].requestToken(demo)
		return issued.status == http.StatusOK
	})
	token := as[tokenResponse](issued).AccessToken
	for _, s := range c.members {
		s.activeAfter(issued, demo, token)
	}

	// The seed has 40 calls an hour for the organization: shares of 2.
	const most, calls = 40 + 2*(2-1), 40
	var passed atomic.Int64
	hammer := func() {
		var all sync.WaitGroup
		for _, s := range c.members {
			for range calls {
				all.Go(func() {
					if s.asks(token, http.MethodGet, "/api/v1/customers").status == http.StatusOK {
						passed.Add(1)
					}
				})
			}
		}
		all.Wait()
	}
	between.set(rule{lose: true}, []int{0}, []int{1, 2})
	between.set(rule{lose: true}, []int{1, 2}, []int{0})
	hammer()
	t.Logf("%d calls passed during the partition", passed.Load())
	between.heal()
	c.recovered()
	for _, s := range c.members {
		s.within(recovery, "the limit is reached on every member", func() bool {
			answer := s.asks(token, http.MethodGet, "/api/v1/customers")
			if answer.status == http.StatusOK {
				passed.Add(1)
			}
			return answer.status == http.StatusTooManyRequests
		})
	}
	hammer()
	t.Logf("%d calls passed in all, %d may", passed.Load(), most)
	if passed.Load() > most {
		t.Errorf("%d calls passed, at most %d may", passed.Load(), most)
	}
}
