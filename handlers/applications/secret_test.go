package applications_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/projections"
)

// accepts reports whether an application's secret authenticates it.
func (r *replica) accepts(app object, secret string) bool {
	r.t.Helper()
	digest := hash(secret)
	var err error
	r.View(func(s *projections.State) {
		_, err = command.AuthenticateClient(s, time.Now(), app.text("clientId"), &digest)
	})
	return err == nil
}

func TestRegenerateSecretEndsTheFormerAtOnceOnEveryReplica(t *testing.T) {
	l := newLog(t)
	one, other := l.replica(), l.replica()
	admin := one.administrator()
	app := one.create(admin, object{"name": "Rotated", "scopes": []string{"applications:read"}})
	token := one.token(app.text("id"))

	made := one.do(admin, http.MethodPost, path(app, "regenerate-secret"), nil).is(http.StatusOK)
	renewed := made.object()

	if renewed.text("clientSecret") == app.text("clientSecret") || !credential.LooksLikeSecret(renewed.text("clientSecret")) {
		t.Error("no new secret")
	}
	if !renewed.time("secretCreatedAt").After(app.time("secretCreatedAt")) || renewed["secretExpiresAt"] != nil {
		t.Errorf("secretCreatedAt %v, secretExpiresAt %v", renewed["secretCreatedAt"], renewed["secretExpiresAt"])
	}
	seen := []string{consistency.Header, made.header.Get(consistency.Header)}
	for _, r := range []*replica{one, other} {
		r.do(token, http.MethodGet, collection, nil, seen...).is(http.StatusUnauthorized)
		r.do(admin, http.MethodGet, path(app), nil, seen...).is(http.StatusOK)
		if r.accepts(app, app.text("clientSecret")) || !r.accepts(app, renewed.text("clientSecret")) {
			t.Error("the former secret counts, or the new one does not")
		}
	}
}

func TestRegenerateSecretWithOverlapKeepsTheFormer(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Rotated", "scopes": []string{"applications:read"}})
	token := r.token(app.text("id"))

	renewed := r.do(admin, http.MethodPost, path(app, "regenerate-secret"), object{"overlapSeconds": 3600}).is(http.StatusOK).object()

	ends, err := time.Parse(time.RFC3339, renewed.text("secretExpiresAt"))
	if left := time.Until(ends); err != nil || left > time.Hour || left < time.Hour-emittest.Patience {
		t.Errorf("secretExpiresAt %v (%v)", renewed["secretExpiresAt"], err)
	}
	r.do(token, http.MethodGet, collection, nil).is(http.StatusOK)
	if !r.accepts(app, app.text("clientSecret")) || !r.accepts(app, renewed.text("clientSecret")) {
		t.Error("one of the two secrets does not count")
	}
	shown := r.do(admin, http.MethodGet, path(app), nil).is(http.StatusOK).object()
	if diff := cmp.Diff(renewed["secretExpiresAt"], shown["secretExpiresAt"]); diff != "" {
		t.Error(diff)
	}

	// A later rotation without overlap ends both.
	r.do(admin, http.MethodPost, path(app, "regenerate-secret"), object{}).is(http.StatusOK)
	r.do(token, http.MethodGet, collection, nil).is(http.StatusUnauthorized)
	if r.accepts(app, app.text("clientSecret")) || r.accepts(app, renewed.text("clientSecret")) {
		t.Error("a former secret counts")
	}
	shown = r.do(admin, http.MethodGet, path(app), nil).is(http.StatusOK).object()
	if shown["secretExpiresAt"] != nil {
		t.Errorf("secretExpiresAt %v without overlap", shown["secretExpiresAt"])
	}
}

func TestRegenerateSecretBodies(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Rotated"})
	url := path(app, "regenerate-secret")

	before := r.Last()
	for body, status := range map[string]int{
		`{"overlapSeconds":-1}`:                  http.StatusBadRequest,
		`{"overlapSeconds":2592001}`:             http.StatusBadRequest,
		`{"overlapSeconds":9223372036854775807}`: http.StatusBadRequest,
		`{"overlapSeconds":9223372036854775808}`: http.StatusBadRequest,
		`{"overlapSeconds":18446744074}`:         http.StatusBadRequest,
		`{"overlapSeconds":1.5}`:                 http.StatusBadRequest,
		`{"overlapSeconds":1e400}`:               http.StatusBadRequest,
		`{"overlapSeconds":"5"}`:                 http.StatusBadRequest,
		`{"overlapSeconds":null}`:                http.StatusBadRequest,
		`{"overlap":1}`:                          http.StatusBadRequest,
		`[]`:                                     http.StatusBadRequest,
	} {
		r.do(admin, http.MethodPost, url, body).is(status)
	}
	r.do(admin, http.MethodPost, url, "overlapSeconds=5", "Content-Type", "application/x-www-form-urlencoded").is(http.StatusUnsupportedMediaType)
	if r.Last() != before || !r.accepts(app, app.text("clientSecret")) {
		t.Error("a refused rotation did something")
	}
	for _, body := range []any{nil, "", "{}", `{"overlapSeconds":0}`, `{"overlapSeconds":2592000}`} {
		r.do(admin, http.MethodPost, url, body).is(http.StatusOK)
	}
}
