package applications_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
)

const collection = "/oauth/applications"

func (r *replica) create(token string, body object) object {
	r.t.Helper()
	return r.do(token, http.MethodPost, collection, body).is(http.StatusCreated).object()
}

func path(app object, more ...string) string {
	return strings.Join(append([]string{collection, app.text("id")}, more...), "/")
}

// fields returns the names of an object's members.
func (o object) fields() []string {
	var names []string
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestCreateShowsTheSecretOnce(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()

	made := r.do(admin, http.MethodPost, collection, object{
		"name": "Production", "description": "For orders", "scopes": []string{"read:customers", "openid"},
		"tokenLifetime": 600, "signingAlg": "RS256", "audience": "https://api.example.com",
		"limits": object{"perMinute": 5}, "grantTypes": []string{"client_credentials"}, "redirectUris": []string{"https://a.example/cb"},
	}).is(http.StatusCreated)
	app := made.object()

	if !credential.LooksLikeSecret(app.text("clientSecret")) || !strings.HasPrefix(app.text("clientId"), "app_") {
		t.Errorf("credentials of an unknown form: %s", app.text("clientId"))
	}
	if made.header.Get("Location") != path(app) || made.header.Get("Cache-Control") != "no-store" || made.header.Get(consistency.Header) == "" {
		t.Errorf("headers %v", made.header)
	}
	for _, name := range []string{"createdAt", "updatedAt", "secretCreatedAt"} {
		if _, err := time.Parse(time.RFC3339, app.text(name)); err != nil {
			t.Error(err)
		}
	}
	shown := r.do(admin, http.MethodGet, path(app), nil).is(http.StatusOK)
	without := object{}
	for name, value := range app {
		if name != "clientSecret" {
			without[name] = value
		}
	}
	if diff := cmp.Diff(without, shown.object()); diff != "" {
		t.Errorf("created and shown differ (-created +shown):\n%s", diff)
	}
	want := object{
		"id": app["id"], "clientId": app["clientId"], "name": "Production", "description": "For orders",
		"scopes": []any{"read:customers", "openid"}, "organizationId": "default", "public": false,
		"createdAt": app["createdAt"], "updatedAt": app["createdAt"], "secretCreatedAt": app["createdAt"],
		"tokenLifetime": 600.0, "signingAlg": "RS256", "audience": "https://api.example.com",
		"limits": map[string]any{"perMinute": 5.0}, "grantTypes": []any{"client_credentials"}, "redirectUris": []any{"https://a.example/cb"},
	}
	if diff := cmp.Diff(want, shown.object()); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	list := r.do(admin, http.MethodGet, collection, nil).is(http.StatusOK)
	if strings.Contains(string(list.body), "clientSecret") {
		t.Error("the list shows secrets")
	}
}

func TestCreateWithNameAloneHasDefaults(t *testing.T) {
	r := newSite(t)
	app := r.create(r.administrator(), object{"name": "Plain"})
	for name, want := range map[string]any{
		"description": "", "scopes": []any{}, "tokenLifetime": 3600.0, "signingAlg": "ES256",
		"grantTypes": []any{"client_credentials"}, "redirectUris": []any{}, "public": false,
	} {
		if diff := cmp.Diff(want, app[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPublicClientHasNoSecret(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Mobile", "public": true, "grantTypes": []string{"password", "refresh_token"}})
	if app["public"] != true || slices.Contains(app.fields(), "clientSecret") || slices.Contains(app.fields(), "secretCreatedAt") {
		t.Errorf("a public client with %v", app.fields())
	}
	r.do(admin, http.MethodPost, path(app, "regenerate-secret"), nil).is(http.StatusBadRequest)
	r.do(admin, http.MethodPut, path(app), object{"public": false}).is(http.StatusBadRequest)
	r.do(admin, http.MethodPut, path(app), object{"grantTypes": []string{"client_credentials"}}).is(http.StatusBadRequest)
}

func TestUpdateChangesWhatIsGiven(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Old", "description": "Stays", "scopes": []string{"a", "b"}, "tokenLifetime": 60})

	updated := r.do(admin, http.MethodPut, path(app), object{"name": "New", "scopes": []string{"b"}}).is(http.StatusOK)
	if updated.header.Get(consistency.Header) == "" {
		t.Error("no Consistency-Token")
	}
	got := updated.object()
	if !got.time("updatedAt").After(app.time("updatedAt")) {
		t.Errorf("updatedAt %s, was %s", got["updatedAt"], app["updatedAt"])
	}
	delete(app, "clientSecret")
	app["name"], app["scopes"], app["updatedAt"] = "New", []any{"b"}, got["updatedAt"]
	if diff := cmp.Diff(app, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIfMatch(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Old"})
	first := r.do(admin, http.MethodGet, path(app), nil).header.Get("ETag")

	second := r.do(admin, http.MethodPut, path(app), object{"name": "New"}, "If-Match", first).is(http.StatusOK).header.Get("ETag")
	if second == first || !strings.HasPrefix(second, `"`) {
		t.Errorf("ETag %s, was %s", second, first)
	}
	before := r.Last()
	for _, stale := range []string{first, "W/" + second, strings.Trim(second, `"`), `""`, `"x"`, second + "x", `"-1"`, `"+` + second[1:], ""} {
		r.do(admin, http.MethodPut, path(app), object{"name": "Lost"}, "If-Match", stale).is(http.StatusPreconditionFailed)
	}
	if r.Last() != before {
		t.Error("a refused update wrote something")
	}
	r.do(admin, http.MethodPut, path(app), object{"name": "A list"}, "If-Match", first+", "+second).is(http.StatusOK)
	r.do(admin, http.MethodPut, path(app), object{"name": "Any"}, "If-Match", "*").is(http.StatusOK)
	r.do(admin, http.MethodPut, collection+"/none", object{"name": "x"}, "If-Match", "*").is(http.StatusNotFound)
}

func TestOfManyUpdatesWithOneETagOneWins(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Old"})
	tag := r.do(admin, http.MethodGet, path(app), nil).header.Get("ETag")

	var racers sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		racers.Go(func() {
			statuses[i] = r.do(admin, http.MethodPut, path(app), object{"name": fmt.Sprint("Racer ", i)}, "If-Match", tag).status
		})
	}
	racers.Wait()
	slices.Sort(statuses)
	if statuses[0] != http.StatusOK || statuses[1] != http.StatusPreconditionFailed || statuses[7] != http.StatusPreconditionFailed {
		t.Errorf("statuses %v", statuses)
	}
}

func TestDeleteIsForGood(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Gone", "scopes": []string{"applications:read"}})
	token := r.token(app.text("id"))
	r.do(token, http.MethodGet, path(app), nil).is(http.StatusOK)

	gone := r.do(admin, http.MethodDelete, path(app), nil).is(http.StatusNoContent)
	if gone.header.Get(consistency.Header) == "" || len(gone.body) != 0 {
		t.Errorf("headers %v, body %q", gone.header, gone.body)
	}
	refused := r.do(token, http.MethodGet, collection, nil).is(http.StatusUnauthorized)
	if got := refused.object().text("message"); got != "Token revoked" {
		t.Errorf("message %q", got)
	}
	for _, again := range []answer{
		r.do(admin, http.MethodDelete, path(app), nil),
		r.do(admin, http.MethodGet, path(app), nil),
		r.do(admin, http.MethodPut, path(app), object{"name": "Back"}),
		r.do(admin, http.MethodPost, path(app, "regenerate-secret"), nil),
		r.do(admin, http.MethodPost, path(app, "revoke-tokens"), nil),
		r.do(admin, http.MethodGet, path(app, "tokens"), nil),
	} {
		again.is(http.StatusNotFound)
	}
}

func TestAWriteIsReadOnAnotherReplica(t *testing.T) {
	l := newLog(t)
	one, other := l.replica(), l.replica()
	admin := one.administrator()
	for i := range 20 {
		made := one.do(admin, http.MethodPost, collection, object{"name": fmt.Sprint("Application ", i)}).is(http.StatusCreated)
		token := made.header.Get(consistency.Header)
		other.do(admin, http.MethodGet, path(made.object()), nil, consistency.Header, token).is(http.StatusOK)
	}
}

func TestWithoutTheLogWritesAreRefused(t *testing.T) {
	l := newLog(t)
	l.journal = emittest.Impatient
	r := l.replica()
	admin := r.administrator()
	app := r.create(admin, object{"name": "Before"})
	l.Stop()
	for _, refused := range []answer{
		r.do(admin, http.MethodPost, collection, object{"name": "Lost"}),
		r.do(admin, http.MethodDelete, path(app), nil),
		r.do(admin, http.MethodPost, path(app, "regenerate-secret"), nil),
	} {
		refused.is(http.StatusServiceUnavailable)
		if refused.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", refused.what)
		}
	}
}
