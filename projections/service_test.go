package projections_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// What ends the token of a service, in the order of the log.
func TestLivenessOfServiceTokens(t *testing.T) {
	minute := time.Minute
	create := on("acme", 0, serviceCreated("s1", "oauth"))
	add := on("acme", 0, credentialAdded("s1", "svc_1"))
	issue := on("acme", minute, issuedFor(1, "s1", "svc_1", minute, time.Hour))
	off := on("acme", minute, &events.ServiceAuthDisabled{ID: "s1"})
	enable := on("acme", minute, &events.ServiceAuthEnabled{ID: "s1"})
	drop := on("acme", minute, &events.ServiceCredentialRemoved{ID: "s1", ClientID: "svc_1"})
	remove := on("acme", minute, &events.ServiceDeleted{ID: "s1"})
	revoke := on("acme", minute, &events.TokenRevoked{ID: tokenID(1), Application: "svc_1"})
	foreign := func(p page) page { p.organization = "beta"; return p }
	for _, c := range []struct {
		name  string
		given []page
		want  projections.Liveness
	}{
		{"issued", []page{create, add, issue}, projections.Live},
		{"revoked", []page{create, add, issue, revoke}, projections.Revoked},
		{"revoked for an application", []page{create, add, issue, on("acme", minute, &events.TokenRevoked{ID: tokenID(1), Application: "s1"})}, projections.Live},
		{"authentication off", []page{create, add, issue, off}, projections.Revoked},
		{"off and on again", []page{create, add, issue, off, enable}, projections.Revoked},
		{"off before it was issued", []page{create, add, off, issue}, projections.Revoked},
		{"off before, on after it was issued", []page{create, add, off, issue, enable}, projections.Revoked},
		{"off and on before it was issued", []page{create, add, off, enable, issue}, projections.Live},
		{"of a service without authentication", []page{on("acme", 0, serviceCreated("s1", "none")), add, issue}, projections.Revoked},
		{"renamed", []page{create, add, issue, on("acme", minute, &events.ServiceUpdated{ID: "s1"})}, projections.Live},
		{"renamed after off", []page{create, add, issue, off, on("acme", minute, &events.ServiceUpdated{ID: "s1"})}, projections.Revoked},
		{"credential removed", []page{create, add, issue, drop}, projections.Revoked},
		{"credential removed before", []page{create, add, drop, issue}, projections.Revoked},
		{"credential removed and back", []page{create, add, issue, drop, add}, projections.Revoked},
		{"another credential removed", []page{create, add, issue, on("acme", minute, &events.ServiceCredentialRemoved{ID: "s1", ClientID: "svc_2"})}, projections.Live},
		{"credential of another service", []page{create, on("acme", 0, serviceCreated("s2", "oauth")), on("acme", 0, credentialAdded("s2", "svc_1")), issue}, projections.Revoked},
		{"credential added later", []page{create, issue, add}, projections.Revoked},
		{"service deleted", []page{create, add, issue, remove}, projections.Revoked},
		{"service deleted before", []page{create, add, remove, issue}, projections.Revoked},
		{"service deleted and created", []page{create, add, issue, remove, create, add}, projections.Revoked},
		{"issued after that", []page{create, add, remove, create, add, issue}, projections.Revoked},
		{"service of another organization", []page{create, add, foreign(issue)}, projections.Revoked},
		{"others turn it off", []page{create, add, issue, foreign(off)}, projections.Live},
		{"others remove its credential", []page{create, add, issue, foreign(drop)}, projections.Live},
		{"others delete it", []page{create, add, issue, foreign(remove)}, projections.Live},
		{"an application of the credential's name", []page{create, add, issue, on("acme", minute, &events.ApplicationDeleted{ID: "svc_1"})}, projections.Live},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := replayed(t, c.given)
			if _, got := s.Lookup(tokenID(1), digestOf(tokenID(1)), epoch.Add(2*minute)); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// A uuid, and a client_id, belong to whoever the log shows first; a deleted
// uuid is used for ever.
func TestServicesOfOneName(t *testing.T) {
	s := replayed(t, []page{
		on("acme", 0, serviceCreated("s1", "oauth")),
		on("beta", 0, serviceCreated("s1", "none")),
		on("acme", 0, credentialAdded("s1", "svc_1")),
		on("beta", 0, serviceCreated("s2", "oauth")),
		on("beta", 0, credentialAdded("s2", "svc_1")),
	})
	first, ok := s.Services.Get("s1")
	if !ok || first.Organization != "acme" || first.AuthType != "oauth" || first.Revision != 3 || first.Changed != 1 {
		t.Errorf("%+v", first)
	}
	if owner, ok := s.Services.ByClientID("svc_1"); !ok || owner.ID != "s1" {
		t.Errorf("the credential is of %+v", owner)
	}
	// The guard expects the last record of the subject, whatever came of it.
	if second, _ := s.Services.Get("s2"); second.Revision != 5 || len(second.Credentials) != 0 {
		t.Errorf("%+v", second)
	}
	apply(t, s, on("acme", 0, &events.ServiceCredentialRemoved{ID: "s1", ClientID: "svc_1"}))
	if owner, ok := s.Services.ByClientID("svc_1"); ok {
		t.Errorf("a removed credential is of %+v", owner)
	}
	apply(t, s, on("acme", 0, credentialAdded("s1", "svc_1")))
	apply(t, s, on("acme", 0, &events.ServiceDeleted{ID: "s1"}))
	apply(t, s, on("beta", 0, serviceCreated("s1", "none")))
	if _, ok := s.Services.Get("s1"); ok || !s.Services.Used("s1") {
		t.Error("a deleted service is back")
	}
	if _, ok := s.Services.ByClientID("svc_1"); ok {
		t.Error("a credential outlived its service")
	}
}

func TestServicesAreListedByCreation(t *testing.T) {
	s := replayed(t, []page{
		on("acme", 0, serviceCreated("s3", "none"), serviceCreated("s1", "none")),
		on("beta", 0, serviceCreated("s9", "none")),
		on("acme", 0, serviceCreated("s2", "none")),
		on("acme", 0, &events.ServiceAuthEnabled{ID: "s1"}),
	})
	kept := s.Services.After("acme", 0, 0)[0]
	list := func(position events.Position, ordinal int) (ids []string) {
		for _, one := range s.Services.After("acme", position, ordinal) {
			ids = append(ids, one.ID)
		}
		return ids
	}
	for _, c := range []struct {
		position events.Position
		ordinal  int
		want     []string
	}{{0, 0, []string{"s3", "s1", "s2"}}, {1, 0, []string{"s1", "s2"}}, {1, 1, []string{"s2"}}, {3, 0, nil}} {
		if diff := cmp.Diff(c.want, list(c.position, c.ordinal)); diff != "" {
			t.Errorf("after %d/%d (-want +got):\n%s", c.position, c.ordinal, diff)
		}
	}
	apply(t, s, on("acme", 0, &events.ServiceDeleted{ID: "s3"}))
	if diff := cmp.Diff([]string{"s1", "s2"}, list(0, 0)); diff != "" || kept.ID != "s3" || kept.Deleted {
		t.Errorf("%s\n%+v", diff, kept)
	}
}
