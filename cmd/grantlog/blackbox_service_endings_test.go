package main_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Section 5: deleting a credential or a service, or turning authType off, ends
// its tokens at once, here and after a restart, and nothing revives them.
func TestServiceEndings(t *testing.T) {
	t.Parallel()
	s := startServices(t)
	acme := s.tenant("acme")
	first, second := s.addCredential(acme, quotes), s.addCredential(acme, quotes)
	third := s.addCredential(acme, development)
	one, two, three := s.serviceToken(quotes, first), s.serviceToken(quotes, second), s.serviceToken(development, third)
	refused := func(v service, token string, want int) {
		t.Helper()
		s.post(v, "{}", bearer(token)).want(want)
		if as[introspection](s.form("/oauth/introspect", []string{"token", token}, bearer(acme)).ok()).Active {
			t.Error("still active")
		}
	}
	s.do(http.MethodDelete, quotes.path("credentials", first.ClientID), "", "", bearer(acme)).want(http.StatusNoContent)
	refused(quotes, one, http.StatusUnauthorized)
	s.post(quotes, "{}", bearer(two)).ok()
	s.restart()
	acme = s.tenant("acme")
	refused(quotes, one, http.StatusUnauthorized)
	s.post(quotes, "{}", bearer(two)).ok()

	s.json(http.MethodPut, quotes.path(), settings{"authType": "none"}, bearer(acme)).ok()
	s.post(quotes, "{}").ok()
	if as[introspection](s.form("/oauth/introspect", []string{"token", two}, bearer(acme)).ok()).Active {
		t.Error("the token outlived authentication")
	}
	s.form("/oauth/token", serviceForm(quotes, second)).want(http.StatusBadRequest)
	s.json(http.MethodPut, quotes.path(), settings{"authType": "oauth"}, bearer(acme)).ok()
	refused(quotes, two, http.StatusUnauthorized)
	again := s.serviceToken(quotes, second)
	s.post(quotes, "{}", bearer(again)).ok()

	s.do(http.MethodDelete, development.path(), "", "", bearer(acme)).want(http.StatusNoContent)
	refused(development, three, http.StatusUnauthorized)
	s.form("/oauth/token", serviceForm(development, third)).want(http.StatusUnauthorized)

	s.kill()
	s.start()
	acme = s.tenant("acme")
	refused(quotes, one, http.StatusUnauthorized)
	refused(quotes, two, http.StatusUnauthorized)
	refused(development, three, http.StatusUnauthorized)
	s.post(quotes, "{}", bearer(again)).ok()
	// The seed file does not bring the deleted one back.
	s.get(development.path(), bearer(acme)).want(http.StatusNotFound)
	s.says("a seeded service was deleted and stays so")
}

// Section 1: what the seed file says of services is applied once, and again
// where the log came to differ.
func TestSeededServices(t *testing.T) {
	t.Parallel()
	s := startServices(t)
	acme := s.tenant("acme")
	got := as[service](s.get(quotes.path(), bearer(acme)).ok())
	if got.Name != "Quotes" || got.AuthType != "oauth" || !got.Private || got.OrganizationID != "acme" {
		t.Errorf("%+v", got)
	}
	etag := s.get(quotes.path(), bearer(acme)).header.Get("ETag")
	s.restart()
	acme = s.tenant("acme")
	if again := s.get(quotes.path(), bearer(acme)).ok().header.Get("ETag"); again != etag {
		t.Errorf("ETag %s, was %s", again, etag)
	}
	s.json(http.MethodPut, quotes.path(), settings{"name": "Changed", "authType": "none"}, bearer(acme)).ok()
	s.json(http.MethodPut, openService.path(), settings{"authType": "oauth"}, bearer(acme)).ok()
	s.restart()
	acme = s.tenant("acme")
	if again := as[service](s.get(quotes.path(), bearer(acme)).ok()); again.Name != "Quotes" || again.AuthType != "oauth" {
		t.Errorf("%+v", again)
	}
	if again := as[service](s.get(openService.path(), bearer(acme)).ok()); again.AuthType != "none" {
		t.Errorf("%+v", again)
	}
}

// Sections 6 and 8: listeners hear what ended, auditors see no secret.
func TestServiceFeeds(t *testing.T) {
	t.Parallel()
	s := startServices(t)
	acme, admin := s.tenant("acme"), s.admin()
	credential := s.addCredential(acme, quotes)
	s.do(http.MethodDelete, quotes.path("credentials", credential.ClientID), "", "", bearer(acme)).want(http.StatusNoContent)
	s.json(http.MethodPut, quotes.path(), settings{"authType": "none"}, bearer(acme)).ok()
	s.do(http.MethodDelete, quotes.path(), "", "", bearer(acme)).want(http.StatusNoContent)

	type ending struct {
		Reason       string `json:"reason"`
		Organization string `json:"organizationId"`
		Application  string `json:"applicationId"`
		Service      string `json:"serviceUuid"`
		Position     uint64 `json:"position"`
		Before       uint64 `json:"before"`
	}
	got := as[struct {
		Revocations []ending `json:"revocations"`
	}](s.get("/oauth/revocations?organization=acme", bearer(admin)).ok()).Revocations
	want := []ending{
		{Reason: "service_credential_removed", Organization: "acme", Application: credential.ClientID, Service: quotes.UUID},
		{Reason: "service_auth_disabled", Organization: "acme", Service: quotes.UUID},
		{Reason: "service_deleted", Organization: "acme", Service: quotes.UUID},
	}
	for i := range got {
		if got[i].Before != got[i].Position || got[i].Position == 0 {
			t.Errorf("position %d, before %d", got[i].Position, got[i].Before)
		}
		got[i].Position, got[i].Before = 0, 0
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}

	events := s.get("/oauth/events?organization=acme&type=service.credential_added", bearer(admin)).ok()
	if text := string(events.body); !strings.Contains(text, credential.ClientID) || strings.Contains(text, `"secret"`) {
		t.Errorf("%s", text)
	}
}
