package main_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Section 3's lists: pages, limits and cursors that only the server can make.
func TestServiceLists(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	one := s.makeService(admin, settings{"name": "Service 0"})
	made := []string{one.UUID}
	for i := range 6 {
		made = append(made, s.createService(admin, settings{"name": fmt.Sprint("Service ", i+1)}).UUID)
	}
	var listed []string
	for cursor := ""; ; {
		page := as[serviceList](s.get("/oauth/services?limit=3"+cursor, bearer(admin)).ok())
		for _, v := range page.Services {
			listed = append(listed, v.UUID)
		}
		if cursor = "&cursor=" + page.NextCursor; page.NextCursor == "" {
			break
		}
	}
	if !slices.Equal(listed, made) {
		t.Errorf("listed %v, made %v", listed, made)
	}
	for _, bad := range []string{"limit=0", "limit=201", "limit=x", "cursor=x", "limit=1&limit=1"} {
		s.get("/oauth/services?"+bad, bearer(admin)).want(http.StatusBadRequest)
	}

	v, clients := one.service, []string{one.ClientID}
	for range 4 {
		clients = append(clients, s.addCredential(admin, v).ClientID)
	}
	first := as[credentialList](s.get(v.path("credentials")+"?limit=2", bearer(admin)).ok())
	s.do(http.MethodDelete, v.path("credentials", clients[1]), "", "", bearer(admin)).want(http.StatusNoContent)
	rest := as[credentialList](s.get(v.path("credentials")+"?cursor="+first.NextCursor, bearer(admin)).ok())
	var got []string
	for _, c := range append(first.Credentials, rest.Credentials...) {
		got = append(got, c.ClientID)
	}
	if !slices.Equal(got, clients) || rest.NextCursor != "" {
		t.Errorf("listed %v, made %v", got, clients)
	}
	services := as[serviceList](s.get("/oauth/services?limit=1", bearer(admin)).ok()).NextCursor
	s.get(v.path("credentials")+"?cursor="+services, bearer(admin)).want(http.StatusBadRequest)
	s.get(service{UUID: made[1]}.path("credentials")+"?cursor="+first.NextCursor, bearer(admin)).want(http.StatusBadRequest)
}

// Section 5: the secret is in one answer and nowhere else.
func TestServiceCredentials(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	n := s.makeService(admin)
	v := n.service
	credentials := []application{n.first(), s.addCredential(admin, v)}
	for _, credential := range credentials {
		if !strings.HasPrefix(credential.ClientID, "svc_") || !strings.HasPrefix(credential.ClientSecret, "secret_") {
			t.Errorf("%+v", credential)
		}
	}
	for _, path := range []string{v.path("credentials"), v.path(), "/oauth/services"} {
		if later := s.get(path, bearer(admin)).ok(); strings.Contains(string(later.body), "secret_") {
			t.Errorf("the secret appears in a later answer: %s", later.body)
		}
	}
	for _, credential := range credentials {
		s.do(http.MethodDelete, v.path("credentials", credential.ClientID), "", "", bearer(admin)).want(http.StatusNoContent)
		s.do(http.MethodDelete, v.path("credentials", credential.ClientID), "", "", bearer(admin)).want(http.StatusNotFound)
	}
	if n := len(as[credentialList](s.get(v.path("credentials"), bearer(admin)).ok()).Credentials); n != 0 {
		t.Errorf("%d credentials", n)
	}
	if open := s.makeService(admin, settings{"authType": "none"}); open.ClientID != "" || open.ClientSecret != "" {
		t.Errorf("a service without tokens was made with a credential: %+v", open)
	}
	s.kill()
	for _, credential := range credentials {
		lookFor(t, s.data, "a credential's secret", []byte(credential.ClientSecret))
	}
}
