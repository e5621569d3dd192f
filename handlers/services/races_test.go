package services_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
)

func settings(uuid string) map[string]any {
	return map[string]any{"uuid": uuid, "profile": "p", "environment": "e", "name": "n", "upstream": "https://u.example"}
}

// Two organizations that choose one uuid at once, on two replicas: one of them
// is told that it has it, and has it.
func TestOneUUIDForTwoOrganizations(t *testing.T) {
	env := journaltest.New(t)
	replicas := []*replica{newReplica(t, env), newReplica(t, env)}
	organizations := []string{"acme", "globex"}
	tokens := []string{replicas[0].manager("acme"), replicas[1].manager("globex")}
	for round := range 20 {
		uuid := fmt.Sprintf("00000000-0000-4000-8000-%012d", round)
		var statuses [2]int
		var both sync.WaitGroup
		for i, r := range replicas {
			both.Go(func() { statuses[i], _ = r.do(tokens[i], http.MethodPost, "/oauth/services", settings(uuid)) })
		}
		both.Wait()
		winner := 0
		if statuses[1] == http.StatusCreated {
			winner = 1
		}
		if statuses[winner] != http.StatusCreated || statuses[1-winner] != http.StatusConflict {
			t.Fatalf("%s: %v", uuid, statuses)
		}
		for i, r := range replicas {
			if err := r.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := http.StatusNotFound
			if i == winner {
				want = http.StatusOK
			}
			if status, _ := r.do(tokens[i], http.MethodGet, "/oauth/services/"+uuid, nil); status != want {
				t.Errorf("%s, for %s: %d, want %d", uuid, organizations[i], status, want)
			}
		}
	}
}

// Whoever renames a service while another one turns its authentication off
// does not turn it on again.
func TestRenamingDoesNotUndoAnEnding(t *testing.T) {
	env := journaltest.New(t)
	first, second := newReplica(t, env), newReplica(t, env)
	token, other := first.manager("acme"), second.manager("acme")
	for round := range 20 {
		uuid := fmt.Sprintf("00000000-0000-4000-8000-%012d", round)
		if status, answer := first.do(token, http.MethodPost, "/oauth/services", settings(uuid)); status != http.StatusCreated {
			t.Fatal(status, answer)
		}
		if err := second.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		change := func(r *replica, token string, body map[string]any) {
			both.Go(func() {
				if status, answer := r.do(token, http.MethodPut, "/oauth/services/"+uuid, body); status != http.StatusOK {
					t.Error(status, answer)
				}
			})
		}
		change(first, token, map[string]any{"name": "renamed"})
		change(second, other, map[string]any{"authType": "none"})
		both.Wait()
		if err := first.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, answer := first.do(token, http.MethodGet, "/oauth/services/"+uuid, nil); answer["name"] != "renamed" || answer["authType"] != "none" {
			t.Errorf("%v", answer)
		}
	}
}

// Credentials that are added at once are all there, each with the secret that
// was answered, or were refused.
func TestCredentialsAddedAtOnce(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	token := r.manager("acme")
	uuid := "00000000-0000-4000-8000-000000000000"
	status, made := r.do(token, http.MethodPost, "/oauth/services", settings(uuid))
	if status != http.StatusCreated {
		t.Fatal(status, made)
	}
	var mu sync.Mutex
	added := map[string]string{made["clientId"].(string): made["clientSecret"].(string)}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			status, answer := r.do(token, http.MethodPost, "/oauth/services/"+uuid+"/credentials", struct{}{})
			mu.Lock()
			defer mu.Unlock()
			switch status {
			case http.StatusCreated:
				added[answer["clientId"].(string)] = answer["clientSecret"].(string)
			case http.StatusConflict:
			default:
				t.Error(status, answer)
			}
		})
	}
	all.Wait()
	r.View(func(s *projections.State) {
		service, _ := s.Services.Get(uuid)
		if len(service.Credentials) != len(added) || len(added) == 1 {
			t.Errorf("%d credentials, %d were answered", len(service.Credentials), len(added))
		}
		for _, c := range service.Credentials {
			if c.Digest != hash(added[c.ClientID]) {
				t.Errorf("%s has another secret", c.ClientID)
			}
		}
	})
}
