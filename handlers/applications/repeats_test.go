package applications_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/projections"
)

// post sends a request with a key, as clients do: until the log is there to
// answer from.
func (r *replica) post(token, url string, body any, key string) (a answer) {
	r.t.Helper()
	for range 1000 {
		a = r.do(token, http.MethodPost, url, body, "Idempotency-Key", key)
		if a.status != http.StatusServiceUnavailable {
			break
		}
	}
	return a
}

// same compares two answers to one request.
func same(t *testing.T, first, again answer) {
	t.Helper()
	if diff := cmp.Diff(string(first.body), string(again.body)); diff != "" || first.status != again.status {
		t.Errorf("%d and %d (-first +again):\n%s", first.status, again.status, diff)
	}
	for _, name := range []string{consistency.Header, "Location", "ETag", "Cache-Control"} {
		if first.header.Get(name) != again.header.Get(name) {
			t.Errorf("%s is %q, was %q", name, again.header.Get(name), first.header.Get(name))
		}
	}
}

// count is how many applications an organization has.
func (r *replica) count(organization string) (n int) {
	r.View(func(s *projections.State) { n = len(s.Applications.After(organization, 0, 0)) })
	return n
}

// A retry has the first answer, whichever replica it comes to and with
// whichever token of its caller, and makes nothing.
func TestCreationComesAgain(t *testing.T) {
	l := newLog(t)
	one, other := l.replica(), l.replica()
	admin := one.administrator()
	body := object{"name": "Once", "scopes": []string{"applications:read"}}
	first := one.post(admin, collection, body, "k1").is(http.StatusCreated)
	count, last := one.count("default"), one.Last()

	same(t, first, one.post(admin, collection, body, "k1"))
	same(t, first, other.post(admin, collection, body, "k1"))
	same(t, first, other.post(admin, collection, `{"scopes":["applications:read"], "name": "Once"}`, "k1"))
	if one.Last() != last || one.count("default") != count {
		t.Error("a retry made something")
	}
	same(t, first, one.post(one.administrator(), collection, body, "k1")) // with another token
	app := first.object()
	if !one.accepts(app, app.text("clientSecret")) || !credential.LooksLikeSecret(app.text("clientSecret")) {
		t.Error("the secret does not count")
	}
	// Another key, or none, makes another one.
	one.post(admin, collection, body, "k2").is(http.StatusCreated)
	for range 2 {
		if another := one.do(admin, http.MethodPost, collection, body).is(http.StatusCreated).object(); another.text("id") == app.text("id") {
			t.Error("the same application again")
		}
	}
}

// Another caller's key is another key.
func TestKeysOfCallersNeverMeet(t *testing.T) {
	r := newSite(t)
	body := object{"name": "Once"}
	seen := map[string]bool{}
	for _, token := range []string{r.administrator(), r.tenant("acme", "applications:write"), r.tenant("globex", "applications:write")} {
		app := r.post(token, collection, body, "k").is(http.StatusCreated).object()
		if seen[app.text("id")] || seen[app.text("clientSecret")] {
			t.Error("an application of another caller")
		}
		seen[app.text("id")], seen[app.text("clientSecret")] = true, true
	}
}

func TestKeyOfAnotherRequest(t *testing.T) {
	l := newLog(t)
	one, other := l.replica(), l.replica()
	admin := one.administrator()
	one.tenant("acme", "applications:write")
	app := one.create(admin, object{"name": "Rotated"})
	one.post(admin, collection, object{"name": "Once"}, "k").is(http.StatusCreated)
	last := one.Last()
	other.Sync() // or it may not know the token yet
	for _, r := range []*replica{one, other} {
		r.post(admin, collection, object{"name": "Twice"}, "k").is(http.StatusUnprocessableEntity)
		r.post(admin, collection+"?organization=acme", object{"name": "Once"}, "k").is(http.StatusUnprocessableEntity)
		r.post(admin, path(app, "regenerate-secret"), nil, "k").is(http.StatusUnprocessableEntity)
	}
	for _, bad := range []string{"", `""`, `"a`, strings.Repeat("k", 256), "é"} {
		one.post(admin, collection, object{"name": "Once"}, bad).is(http.StatusBadRequest)
		one.post(admin, path(app, "regenerate-secret"), nil, bad).is(http.StatusBadRequest)
	}
	// What is refused is not remembered.
	one.post(admin, collection, object{"name": ""}, "k3").is(http.StatusBadRequest)
	if one.Last() != last {
		t.Error("a refusal did something")
	}
	one.post(admin, collection, object{"name": "Right"}, "k3").is(http.StatusCreated)
}

// The answer is the first one also when what it shows was changed since; what
// is gone is not made again.
func TestCreationComesAgainLater(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	body := object{"name": "Once"}
	again := func() answer { return r.post(admin, collection, body, "k") }
	first := again().is(http.StatusCreated)
	app := first.object()
	r.do(admin, http.MethodPut, path(app), object{"name": "Renamed"}).is(http.StatusOK)
	same(t, first, again())
	if shown := r.do(admin, http.MethodGet, path(app), nil).is(http.StatusOK).object(); shown.text("name") != "Renamed" {
		t.Error("a retry undid a change")
	}
	r.do(admin, http.MethodPost, path(app, "regenerate-secret"), object{"overlapSeconds": 3600}).is(http.StatusOK)
	same(t, first, again()) // both secrets count
	r.do(admin, http.MethodPost, path(app, "regenerate-secret"), nil).is(http.StatusOK)
	again().is(http.StatusGone)
	r.do(admin, http.MethodDelete, path(app), nil).is(http.StatusNoContent)
	again().is(http.StatusGone)
	r.do(admin, http.MethodGet, path(app), nil).is(http.StatusNotFound)
}

// A retry of a rotation ends nothing: neither the tokens of the new secret nor
// the secret of a later rotation.
func TestRotationComesAgain(t *testing.T) {
	l := newLog(t)
	one, other := l.replica(), l.replica()
	admin := one.administrator()
	app := one.create(admin, object{"name": "Rotated", "scopes": []string{"applications:read"}})
	rotate := func(r *replica, key string, body any) answer {
		return r.post(admin, path(app, "regenerate-secret"), body, key)
	}
	first := rotate(one, "k1", nil).is(http.StatusOK)
	token := one.token(app.text("id"))
	same(t, first, rotate(other, "k1", nil))
	same(t, first, rotate(one, "k1", "{}"))
	one.do(token, http.MethodGet, collection, nil).is(http.StatusOK)
	one.do(admin, http.MethodPut, path(app), object{"name": "Renamed"}).is(http.StatusOK)
	same(t, first, rotate(other, "k1", nil))

	second := rotate(one, "k2", object{"overlapSeconds": 3600}).is(http.StatusOK)
	same(t, second, rotate(other, "k2", object{"overlapSeconds": 3600}))
	same(t, first, rotate(other, "k1", nil)) // still one of its secrets
	third := rotate(one, "k3", nil).is(http.StatusOK)
	rotate(other, "k1", nil).is(http.StatusGone)
	rotate(other, "k2", object{"overlapSeconds": 3600}).is(http.StatusGone)
	if !one.accepts(app, third.object().text("clientSecret")) || one.accepts(app, first.object().text("clientSecret")) {
		t.Error("a secret is back, or gone")
	}
}

// Of requests that come at once, to two replicas, one makes something and all
// are answered with it.
func TestCreationsAtOnce(t *testing.T) {
	const rounds = 10
	l := newLog(t)
	replicas := []*replica{l.replica(), l.replica()}
	admin := replicas[0].administrator()
	app := replicas[0].create(admin, object{"name": "Rotated"})
	for _, r := range replicas {
		r.Sync()
	}
	before := replicas[0].count("default")
	for round := range rounds {
		for _, c := range []struct {
			url    string
			body   object
			status int
		}{
			{collection, object{"name": "Once"}, http.StatusCreated},
			{path(app, "regenerate-secret"), object{}, http.StatusOK},
		} {
			answers := make([]answer, 6)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() {
					answers[i] = replicas[i%2].post(admin, c.url, c.body, fmt.Sprint(c.url, round))
				})
			}
			all.Wait()
			for _, a := range answers {
				same(t, answers[0].is(c.status), a)
			}
		}
	}
	if made := replicas[0].count("default") - before; made != rounds {
		t.Errorf("%d applications, want %d", made, rounds)
	}
	replicas[0].View(func(s *projections.State) {
		if a, _ := s.Applications.Get(app.text("id")); a.Versions != 1+rounds {
			t.Errorf("%d secrets, want %d", a.Versions, 1+rounds)
		}
	})
}

func TestOrganizationComesAgain(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	body := object{"id": "acme", "name": "Acme", "scopes": []object{{"name": "read:customers"}}}
	first := r.post(admin, "/oauth/organizations", body, "k").is(http.StatusCreated)
	same(t, first, r.post(admin, "/oauth/organizations", body, "k"))
	r.post(admin, "/oauth/organizations", body, "k2").is(http.StatusConflict)
}
