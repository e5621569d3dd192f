package applications_test

import (
	"net/http"
	"strings"
	"testing"
)

// Whatever a body says, the answer is a plain 4xx and the log is as before.
func TestBadBodiesWriteNothing(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Subject"})
	before := r.Last()

	name := func(rest string) string { return `{"name":"x",` + rest + `}` }
	for body, status := range map[string]int{
		"":                               http.StatusBadRequest,
		"null":                           http.StatusBadRequest,
		"[]":                             http.StatusBadRequest,
		`{"name":"x"`:                    http.StatusBadRequest,
		`{"name":"x"}{}`:                 http.StatusBadRequest,
		`{"name":""}`:                    http.StatusBadRequest,
		`{"name":null}`:                  http.StatusBadRequest,
		`{"name":5}`:                     http.StatusBadRequest,
		`{"NAME":"x"}`:                   http.StatusBadRequest,
		`{"name":"\u0000"}`:              http.StatusBadRequest,
		"{\"name\":\"\xff\"}":            http.StatusBadRequest,
		`{"name":"a\r\nb"}`:              http.StatusBadRequest,
		name(`"name":"y"`):               http.StatusBadRequest,
		name(`"id":"chosen"`):            http.StatusBadRequest,
		name(`"clientSecret":"mine"`):    http.StatusBadRequest,
		name(`"organizationId":"other"`): http.StatusBadRequest,
		name(`"tokenLifetime":-1`):       http.StatusBadRequest,
		name(`"tokenLifetime":0`):        http.StatusBadRequest,
		name(`"tokenLifetime":9223372036854775808`):                 http.StatusBadRequest,
		name(`"tokenLifetime":1.5`):                                 http.StatusBadRequest,
		name(`"tokenLifetime":"x"`):                                 http.StatusBadRequest,
		name(`"tokenLifetime":1e400`):                               http.StatusBadRequest,
		name(`"tokenLifetime":86401`):                               http.StatusBadRequest,
		name(`"signingAlg":"none"`):                                 http.StatusBadRequest,
		name(`"signingAlg":"HS256"`):                                http.StatusBadRequest,
		name(`"scopes":"read"`):                                     http.StatusBadRequest,
		name(`"scopes":["a b"]`):                                    http.StatusBadRequest,
		name(`"scopes":["a","a"]`):                                  http.StatusBadRequest,
		name(`"scopes":[["a"]]`):                                    http.StatusBadRequest,
		name(`"limits":{"perMinute":-1}`):                           http.StatusBadRequest,
		name(`"limits":{"perDay":1}`):                               http.StatusBadRequest,
		name(`"limits":5`):                                          http.StatusBadRequest,
		name(`"grantTypes":["implicit"]`):                           http.StatusBadRequest,
		name(`"redirectUris":["https://a@b/"]`):                     http.StatusBadRequest,
		name(`"redirectUris":["https://a/#"]`):                      http.StatusBadRequest,
		name(`"redirectUris":["https://a\\b"]`):                     http.StatusBadRequest,
		name(`"redirectUris":["javascript:x"]`):                     http.StatusBadRequest,
		name(`"x":` + strings.Repeat("[", 10_000)):                  http.StatusBadRequest,
		name(`"description":"` + strings.Repeat("x", 70_000) + `"`): http.StatusRequestEntityTooLarge,
	} {
		for _, refused := range []answer{
			r.do(admin, http.MethodPost, collection, body).is(status),
			r.do(admin, http.MethodPut, path(app), body).is(status),
		} {
			message := refused.object().text("message")
			if message == "" || len(message) > 200 || strings.ContainsAny(message, "\x00\r\n<>") || len(refused.object()) != 2 {
				t.Errorf("%.60q: %s", body, refused.body)
			}
		}
	}
	for _, contentType := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin1", "multipart/form-data"} {
		r.do(admin, http.MethodPost, collection, `{"name":"x"}`, "Content-Type", contentType).is(http.StatusUnsupportedMediaType)
	}
	if r.Last() != before {
		t.Error("a refused request wrote something")
	}
}

func TestHostileIDsAreNotFound(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	before := r.Last()
	for _, id := range []string{
		"a.b", "*", ">", "a%20b", "$JS", "%2e%2e%2f", "..%2Fx", "%00", "%0d%0a", "%ff", "none", "-", strings.Repeat("a", 10_000),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			if status := r.do(admin, method, collection+"/"+id, bodyOf(method)).status; status != http.StatusNotFound {
				t.Errorf("%s %.40q: %d", method, id, status)
			}
		}
		if status := r.do(admin, http.MethodGet, collection+"?organization="+id, nil).status; status != http.StatusNotFound {
			t.Errorf("organization %.40q: %d", id, status)
		}
	}
	if r.Last() != before {
		t.Error("a refused request wrote something")
	}
}
