package services_test

import (
	"maps"
	"net/http"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
)

// again sends a request with a key, twice to each replica at once, and returns
// the one answer that all of them gave.
func again(t *testing.T, replicas []*replica, token, path, key string, body any) (status int, answer map[string]any) {
	t.Helper()
	type answered struct {
		status int
		body   map[string]any
	}
	answers := make([]answered, 2*len(replicas))
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			answers[i].status, answers[i].body = replicas[i%len(replicas)].do(token, http.MethodPost, path, body, "Idempotency-Key", key)
		})
	}
	all.Wait()
	for _, a := range answers {
		if a.status != answers[0].status || !maps.Equal(a.body, answers[0].body) {
			t.Errorf("%v, another got %v", a, answers[0])
		}
	}
	return answers[0].status, answers[0].body
}

// A service and its credentials are made once, with a uuid of the server or of
// the caller.
func TestServicesComeAgain(t *testing.T) {
	env := journaltest.New(t)
	replicas := []*replica{newReplica(t, env), newReplica(t, env)}
	token := replicas[0].manager("acme")
	if err := replicas[1].CatchUp(t.Context()); err != nil { // or it may not know the token yet
		t.Fatal(err)
	}
	body := settings("")
	delete(body, "uuid")
	const chosen = "00000000-0000-4000-8000-000000000001"
	for key, body := range map[string]map[string]any{"made": body, "chosen": settings(chosen)} {
		status, made := again(t, replicas, token, "/oauth/services", key, body)
		uuid, _ := made["uuid"].(string)
		if status != http.StatusCreated || key == "chosen" && uuid != chosen {
			t.Fatal(status, made)
		}
		credentials := "/oauth/services/" + uuid + "/credentials"
		status, first := again(t, replicas, token, credentials, key+"1", struct{}{})
		if status != http.StatusCreated {
			t.Fatal(status, first)
		}
		if _, second := again(t, replicas, token, credentials, key+"2", struct{}{}); second["clientId"] == first["clientId"] || second["clientSecret"] == first["clientSecret"] {
			t.Errorf("%v and %v", first, second)
		}
		replicas[0].View(func(s *projections.State) {
			service, _ := s.Services.Get(uuid)
			for _, answer := range []map[string]any{made, first} {
				c, ok := service.Credential(answer["clientId"].(string))
				if len(service.Credentials) != 3 || !ok || c.Digest != hash(answer["clientSecret"].(string)) {
					t.Errorf("%+v", service)
				}
			}
		})
		// Changed: as it was made. Gone: not again.
		if status, answer := replicas[0].do(token, http.MethodPut, "/oauth/services/"+uuid, map[string]any{"name": "renamed"}); status != http.StatusOK {
			t.Fatal(status, answer)
		}
		if _, answer := again(t, replicas, token, "/oauth/services", key, body); !maps.Equal(answer, made) {
			t.Errorf("%v, first %v", answer, made)
		}
		for _, answer := range []map[string]any{made, first} {
			if status, _ := replicas[0].do(token, http.MethodDelete, credentials+"/"+answer["clientId"].(string), nil); status != http.StatusNoContent {
				t.Fatal(status)
			}
		}
		if status, answer := again(t, replicas, token, credentials, key+"1", struct{}{}); status != http.StatusGone {
			t.Error(status, answer)
		}
		if status, answer := again(t, replicas, token, "/oauth/services", key, body); status != http.StatusGone {
			t.Error(status, answer)
		}
		if status, _ := replicas[0].do(token, http.MethodDelete, "/oauth/services/"+uuid, nil); status != http.StatusNoContent {
			t.Fatal(status)
		}
		for path, key := range map[string]string{"/oauth/services": key, credentials: key + "2"} {
			in := any(struct{}{})
			if path == "/oauth/services" {
				in = body
			}
			if status, answer := again(t, replicas, token, path, key, in); status != http.StatusGone {
				t.Error(path, status, answer)
			}
		}
	}
}
