package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// service is what the server tells of a service.
type service struct {
	UUID           string    `json:"uuid"`
	Profile        string    `json:"profile"`
	Environment    string    `json:"environment"`
	Name           string    `json:"name"`
	AuthType       string    `json:"authType"`
	Upstream       string    `json:"upstream"`
	Private        bool      `json:"private"`
	OrganizationID string    `json:"organizationId"`
	CreatedAt      time.Time `json:"createdAt"`
	UpdatedAt      time.Time `json:"updatedAt"`
}

// newService is what the server tells of a service that it just made.
type newService struct {
	service
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

// first is the credential that it was made with.
func (n newService) first() application {
	return application{ClientID: n.ClientID, ClientSecret: n.ClientSecret}
}

func (v service) path(more ...string) string {
	return strings.Join(append([]string{"/oauth/services", v.UUID}, more...), "/")
}

// call is where the service is called.
func (v service) call() string {
	return "/service/" + v.Profile + "/" + v.Environment + "/json/" + v.UUID
}

type serviceList struct {
	Services   []service `json:"services"`
	NextCursor string    `json:"nextCursor"`
}

type credentialList struct {
	Credentials []application `json:"credentials"`
	NextCursor  string        `json:"nextCursor"`
}

// createService adds a service, or one as the settings say.
func (s *server) createService(token string, more ...settings) service {
	s.t.Helper()
	return s.makeService(token, more...).service
}

// makeService is createService with the whole answer.
func (s *server) makeService(token string, more ...settings) newService {
	s.t.Helper()
	body := settings{"profile": "my-profile", "environment": "production", "name": "Quotes", "upstream": "https://quotes.example"}
	for _, m := range more {
		for name, value := range m {
			body[name] = value
		}
	}
	return as[newService](s.json(http.MethodPost, "/oauth/services", body, bearer(token)).want(http.StatusCreated))
}

// addCredential gives a service another OAuth client.
func (s *server) addCredential(token string, v service) application {
	s.t.Helper()
	return as[application](s.do(http.MethodPost, v.path("credentials"), "", "", bearer(token)).want(http.StatusCreated))
}

// Section 5: create, read, update, delete.
func TestServiceLife(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	const uuid = "12345678-1234-1234-1234-123456789abc"
	created := s.json(http.MethodPost, "/oauth/services", settings{
		"uuid": uuid, "profile": "my-profile", "environment": "production", "name": "Quotes", "authType": "oauth", "upstream": "https://quotes.example/v1",
	}, bearer(admin)).want(http.StatusCreated).has("Location", "/oauth/services/"+uuid)
	first := as[newService](created).first()
	v := as[service](created)
	want := service{
		UUID: uuid, Profile: "my-profile", Environment: "production", Name: "Quotes", AuthType: "oauth",
		Upstream: "https://quotes.example/v1", OrganizationID: "default", CreatedAt: v.CreatedAt, UpdatedAt: v.CreatedAt,
	}
	if v != want || v.CreatedAt.IsZero() {
		t.Errorf("%+v", v)
	}
	if got := as[newService](s.get(v.path(), bearer(admin)).ok().has("ETag", created.header.Get("ETag"))); got != (newService{service: want}) {
		t.Errorf("%+v", got)
	}
	if token := s.serviceToken(v, first); token == "" {
		t.Error("the credential that a service was made with gets no token")
	}

	renamed := s.json(http.MethodPut, v.path(), settings{"name": "Prices", "uuid": uuid, "profile": "my-profile", "environment": "production"}, bearer(admin)).ok()
	if got := as[service](renamed); got.Name != "Prices" || got.Upstream != want.Upstream || got.AuthType != "oauth" || got.UpdatedAt.Before(v.UpdatedAt) {
		t.Errorf("%+v", got)
	}
	position := s.position()
	if again := s.json(http.MethodPut, v.path(), settings{"name": "Prices"}, bearer(admin)).ok(); again.header.Get("Consistency-Token") == "" {
		t.Error("no Consistency-Token")
	}
	if now := s.position(); now != position {
		t.Errorf("changing nothing moved the log from %d to %d", position, now)
	}
	for _, refused := range []settings{{"profile": "other"}, {"environment": "other"}, {"uuid": strings.Replace(uuid, "1", "2", 1)}, {"authType": "basic"}, {"upstream": "x"}, {"id": "x"}} {
		s.json(http.MethodPut, v.path(), refused, bearer(admin)).want(http.StatusBadRequest)
	}

	s.do(http.MethodDelete, v.path(), "", "", bearer(admin)).want(http.StatusNoContent)
	s.get(v.path(), bearer(admin)).want(http.StatusNotFound)
	s.do(http.MethodDelete, v.path(), "", "", bearer(admin)).want(http.StatusNotFound)
	s.json(http.MethodPut, v.path(), settings{"name": "Back"}, bearer(admin)).want(http.StatusNotFound)
	s.do(http.MethodPost, v.path("credentials"), "", "", bearer(admin)).want(http.StatusNotFound)
	s.restart()
	admin = s.admin()
	s.get(v.path(), bearer(admin)).want(http.StatusNotFound)
	// A uuid is never used again.
	again := settings{"uuid": uuid, "profile": "my-profile", "environment": "production", "name": "Quotes", "upstream": "https://quotes.example"}
	s.json(http.MethodPost, "/oauth/services", again, bearer(admin)).want(http.StatusConflict)
}

// Section 5: an update is a compare-and-swap where the caller asks for it, also
// across the two kinds of change.
func TestServiceIfMatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	v := s.createService(admin)
	etag := s.get(v.path(), bearer(admin)).ok().header.Get("ETag")
	put := func(body settings, ifMatch string) answer {
		return s.json(http.MethodPut, v.path(), body, bearer(admin), header("If-Match", ifMatch))
	}
	next := put(settings{"name": "first"}, etag).ok().header.Get("ETag")
	put(settings{"name": "second"}, etag).want(http.StatusPreconditionFailed)
	put(settings{"authType": "none"}, etag).want(http.StatusPreconditionFailed)
	off := put(settings{"authType": "none", "name": "third"}, next).ok()
	if got := as[service](off); got.AuthType != "none" || got.Name != "third" || off.header.Get("ETag") == next {
		t.Errorf("%+v", got)
	}
	s.addCredential(admin, v) // not shown by the service, so no change of it
	on := put(settings{"authType": "oauth"}, off.header.Get("ETag")).ok()
	put(settings{"name": "fourth"}, off.header.Get("ETag")).want(http.StatusPreconditionFailed)
	put(settings{"name": "fifth"}, "*").ok()
	if as[service](on).AuthType != "oauth" {
		t.Errorf("%s", on.body)
	}
}

// Section 5: what is no service, or none that the caller may make, is refused
// and writes nothing.
func TestBadServices(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	v := s.createService(admin, settings{"uuid": "12345678-1234-1234-1234-123456789abc"}) // with letters, that have a case
	position := s.position()
	good := func(more settings) settings {
		body := settings{"profile": "p", "environment": "e", "name": "n", "upstream": "https://u.example"}
		for name, value := range more {
			if value == nil {
				delete(body, name)
			} else {
				body[name] = value
			}
		}
		return body
	}
	for name, body := range map[string]settings{
		"no profile": good(settings{"profile": nil}), "no environment": good(settings{"environment": nil}),
		"no name": good(settings{"name": nil}), "no upstream": good(settings{"upstream": nil}),
		"dots": good(settings{"profile": ".."}), "slash": good(settings{"environment": "a/b"}), "star": good(settings{"profile": "*"}),
		"long": good(settings{"profile": strings.Repeat("a", 65)}), "unknown field": good(settings{"organizationId": "x"}),
		"credentials": good(settings{"clientSecret": "x"}), "auth type": good(settings{"authType": "basic"}), "number": good(settings{"name": 5}),
		"upper-case uuid": good(settings{"uuid": strings.ToUpper(v.UUID)}), "no uuid": good(settings{"uuid": "x"}), "subject": good(settings{"uuid": "$JS.>"}),
		"file": good(settings{"upstream": "file:///etc/passwd"}), "user": good(settings{"upstream": "http://a:b@c"}),
		"fragment": good(settings{"upstream": "http://a/#x"}), "placeholder": good(settings{"upstream": "http://a/${f4w_access_token}"}),
	} {
		if a := s.json(http.MethodPost, "/oauth/services", body, bearer(admin)); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	s.json(http.MethodPost, "/oauth/services", good(settings{"uuid": v.UUID}), bearer(admin)).want(http.StatusConflict)
	s.do(http.MethodPost, v.path("credentials"), "application/json", `{"clientId":"svc_mine"}`, bearer(admin)).want(http.StatusBadRequest)
	for _, id := range []string{"x", "..%2f", "%00", strings.Repeat("a", 10_000), strings.ToUpper(v.UUID)} {
		s.get("/oauth/services/"+id, bearer(admin), undescribed).want(http.StatusNotFound)
		s.do(http.MethodDelete, v.path("credentials", id), "", "", bearer(admin), undescribed).want(http.StatusNotFound)
	}
	if now := s.position(); now != position {
		t.Errorf("refused requests moved the log from %d to %d", position, now)
	}
}

// Section 5: reading is not writing, and a private address is the operator's
// to allow.
func TestServiceScopes(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	v := s.createService(admin)
	reader := s.token(s.create(admin, settings{"scopes": []string{"services:read"}}))
	writer := s.token(s.create(admin, settings{"scopes": []string{"services:write"}}))
	other := s.token(s.create(admin, settings{"scopes": []string{"applications:write"}}))
	for _, path := range []string{"/oauth/services", v.path(), v.path("credentials")} {
		s.get(path, bearer(reader)).ok()
		s.get(path, bearer(writer)).ok()
		s.get(path, bearer(other)).exactly(http.StatusForbidden, flat(403, "Insufficient scope for this endpoint"))
		s.get(path).want(http.StatusUnauthorized)
	}
	credential := s.addCredential(writer, v)
	for _, a := range []answer{
		s.json(http.MethodPost, "/oauth/services", settings{"name": "x"}, bearer(reader)),
		s.json(http.MethodPut, v.path(), settings{"name": "x"}, bearer(reader)),
		s.do(http.MethodDelete, v.path(), "", "", bearer(reader)),
		s.do(http.MethodPost, v.path("credentials"), "", "", bearer(reader)),
		s.do(http.MethodDelete, v.path("credentials", credential.ClientID), "", "", bearer(reader)),
	} {
		a.exactly(http.StatusForbidden, flat(403, "Insufficient scope for this endpoint"))
	}
	s.json(http.MethodPut, v.path(), settings{"upstream": "http://127.0.0.1:1"}, bearer(writer)).want(http.StatusBadRequest)
	private := settings{"upstream": "http://127.0.0.1:1", "private": true}
	s.json(http.MethodPut, v.path(), private, bearer(writer)).want(http.StatusForbidden)
	if got := as[service](s.json(http.MethodPut, v.path(), private, bearer(admin)).ok()); !got.Private {
		t.Errorf("%+v", got)
	}
	if got := as[service](s.json(http.MethodPut, v.path(), settings{"upstream": "https://other.example"}, bearer(writer)).ok()); got.Private {
		t.Error("another upstream is private too")
	}
}

// Section 5, SECURITY.md (Zitadel CVE-2025-64431): another organization's
// service is not found, in every operation, and stays as it was.
func TestServicesOfTenantsAreApart(t *testing.T) {
	t.Parallel()
	s := startServices(t)
	acme, globex, admin := s.tenant("acme"), s.tenant("globex"), s.admin()
	v := s.createService(acme)
	credential := s.addCredential(acme, v)
	before := s.get(v.path(), bearer(acme)).ok()
	position := s.position()
	for name, a := range map[string]answer{
		"read":        s.get(v.path(), bearer(globex)),
		"update":      s.json(http.MethodPut, v.path(), settings{"name": "Taken over"}, bearer(globex)),
		"turn off":    s.json(http.MethodPut, v.path(), settings{"authType": "none"}, bearer(globex)),
		"delete":      s.do(http.MethodDelete, v.path(), "", "", bearer(globex)),
		"credentials": s.get(v.path("credentials"), bearer(globex)),
		"add":         s.do(http.MethodPost, v.path("credentials"), "", "", bearer(globex)),
		"remove":      s.do(http.MethodDelete, v.path("credentials", credential.ClientID), "", "", bearer(globex)),
		"create": s.json(http.MethodPost, "/oauth/services", settings{
			"uuid": v.UUID, "profile": "p", "environment": "e", "name": "n", "upstream": "https://u.example"}, bearer(globex)),
	} {
		if want := http.StatusNotFound; a.status != want && !(name == "create" && a.status == http.StatusConflict) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	s.get(v.path()+"?organization=acme", bearer(globex)).want(http.StatusForbidden)
	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}
	s.get(v.path(), bearer(acme)).exactly(http.StatusOK, strings.TrimSpace(string(before.body)))

	if list := as[serviceList](s.get("/oauth/services", bearer(globex)).ok()).Services; len(list) != 1 || list[0].UUID != theirs.UUID {
		t.Errorf("the other organization lists %+v", list)
	}
	s.get(v.path(), bearer(admin)).ok()
	s.get(v.path()+"?organization=globex", bearer(admin)).want(http.StatusNotFound)
	theirs := as[service](s.json(http.MethodPost, "/oauth/services?organization=globex", settings{
		"profile": "p", "environment": "e", "name": "n", "upstream": "https://u.example"}, bearer(admin)).want(http.StatusCreated))
	if theirs.OrganizationID != "globex" {
		t.Errorf("%+v", theirs)
	}
	s.do(http.MethodDelete, theirs.path(), "", "", bearer(admin)).want(http.StatusNoContent)
}
