package replay

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
)

// told is a history of one event per minute from epoch on.
func told(data ...events.Data) History {
	return History{Each: func(_ context.Context, fn func(*Record) error) error {
		for i, d := range data {
			r := &Record{Position: events.Position(i + 1)}
			r.Events = []events.Event{{
				ID: fmt.Sprintf("e_%d", i+1), Type: d.EventType(), Version: 1, Data: d,
				Time: epoch.Add(time.Duration(i) * time.Minute), Organization: "acme",
			}}
			if err := fn(r); err != nil {
				return err
			}
		}
		return nil
	}}
}

// outline is what a lineage comes down to.
func outline(l Lineage) (lines []string) {
	for _, link := range l.Path {
		lines = append(lines, fmt.Sprintf("%d %s: %s", link.Position, link.Role, link.What))
	}
	end := l.Status
	if l.End != nil {
		end += " " + l.End.Reason
	}
	return append(lines, end)
}

func TestLineageOfAUsersToken(t *testing.T) {
	d := token(1, 24*time.Hour)
	d.User, d.UserVersion = "u1", 2
	h := told(
		&events.OrganizationCreated{ID: "acme"},
		&events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}, ApplicationSettings: events.ApplicationSettings{Name: "A\x1b[2J"}},
		&events.UserCreated{ID: "u0", UserProfile: events.UserProfile{Handle: "h0"}},
		&events.UserCreated{ID: "u1", UserProfile: events.UserProfile{Handle: "h1"}},
		&events.UserPasswordChanged{ID: "u1"},
		d,
		&events.UserDisabled{ID: "u0"},
		&events.ApplicationUpdated{ID: "a1"},
		&events.UserDisabled{ID: "u1"},
		&events.UserEnabled{ID: "u1"},
	)
	l, ok, err := FindLineage(t.Context(), h, d.ID, epoch)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	want := []string{
		`2 application: app_1 registered as "A\x1b[2J", secret version 1`,
		"4 user: user added",
		"5 user: password changed",
		"6 token: client_credentials",
		"9 end: user disabled",
		"revoked user_disabled",
	}
	if diff := cmp.Diff(want, outline(l)); diff != "" {
		t.Error(diff)
	}
	if l.AsOf != (Bound{10, epoch.Add(9 * time.Minute)}) {
		t.Errorf("as of %+v", l.AsOf)
	}
}

func TestLineageOfAServicesToken(t *testing.T) {
	d := token(1, 24*time.Hour)
	d.Application, d.Service, d.Secret = "svc_1", "uuid", 0
	late := token(2, 24*time.Hour)
	late.Application, late.Service, late.Secret = d.Application, d.Service, 0
	h := told(
		&events.OrganizationCreated{ID: "acme"},
		&events.KeyCreated{ID: "k1", Algorithm: "RS256"},
		&events.KeyActivated{ID: "k1"},
		&events.ServiceCreated{ID: "uuid", Profile: "p", Environment: "e", AuthType: events.AuthOAuth, ServiceSettings: events.ServiceSettings{Name: "Quotes"}},
		&events.ServiceCredentialAdded{ID: "uuid", ClientID: "svc_1", Secret: &events.SecretDigest{1}},
		d,
		&events.KeyCreated{ID: "k2", Algorithm: "RS256"},
		&events.KeyActivated{ID: "k2"},
		&events.KeyRetired{ID: "k1"},
		&events.ServiceCredentialRemoved{ID: "uuid", ClientID: "svc_1"},
		late,
	)
	roots := []string{
		"2 key: RS256 key published", "3 key: key signs from here",
		"4 service: service \"Quotes\" in p/e", "5 credential: credential svc_1",
	}
	for id, want := range map[events.TokenID][]string{
		d.ID:    append(roots[:4:4], "6 token: client_credentials", "9 key: key retired", "10 end: service credential removed", "revoked service_credential_removed"),
		late.ID: append(roots[:4:4], "10 end: dead on arrival", "11 token: client_credentials", "revoked dead_on_arrival"),
	} {
		l, ok, err := FindLineage(t.Context(), h, id, epoch)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if diff := cmp.Diff(want, outline(l)); diff != "" {
			t.Error(diff)
		}
	}
	m, err := FindImpact(t.Context(), h, Suspect{Application: "svc_1"}, epoch)
	if err != nil || m.Issued != 2 || m.Revoked != 2 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestImpactOfAUser(t *testing.T) {
	d, other := token(1, 3*time.Minute), token(2, time.Hour)
	d.User, d.UserVersion = "u1", 1
	other.User, other.UserVersion = "u2", 1
	h := told(
		&events.OrganizationCreated{ID: "acme"},
		&events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}},
		&events.UserCreated{ID: "u1", UserProfile: events.UserProfile{Handle: "h1"}},
		&events.UserCreated{ID: "u2", UserProfile: events.UserProfile{Handle: "h2"}},
		d, other,
	)
	m, err := FindImpact(t.Context(), h, Suspect{User: "u1"}, epoch)
	if err != nil || m.Issued != 1 || m.Expired != 1 || m.Tokens[0].ID != d.ID || m.AsOf != (Bound{6, epoch.Add(5 * time.Minute)}) {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := FindImpact(t.Context(), h, Suspect{User: "u3"}, epoch); !errors.Is(err, ErrUnknown) {
		t.Errorf("nobody: %v", err)
	}
}

// An account that a replica wrote twice counts once, and what was taken back
// does not count.
func TestUsageCountsOnce(t *testing.T) {
	account := func(report uint64, usage events.Usage) *events.UsageRecorded {
		usage.Organization, usage.Application, usage.Secret = "acme", "a1", 1
		return &events.UsageRecorded{Report: report, Usage: []events.Usage{usage}}
	}
	h := told(
		&events.OrganizationCreated{ID: "acme"},
		&events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}},
		account(1, events.Usage{Second: epoch.Unix(), Admitted: 5, Errors: 2}),
		account(1, events.Usage{Second: epoch.Unix(), Admitted: 5, Errors: 2}),
		account(2, events.Usage{Second: epoch.Unix() + 9, Admitted: -1, Refused: 1}),
		&events.UsageRecorded{Report: 3, Usage: []events.Usage{{Organization: "acme", Application: "a2", Secret: 1, Second: 1, Admitted: 9}}},
	)
	m, err := FindImpact(t.Context(), h, Suspect{Application: "app_1", OfSecret: true}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	want := []Usage{{Application: "a1", Secret: 1, First: epoch, Last: epoch.Add(9 * time.Second), Admitted: 4, Errors: 2, Refused: 1, Replicas: []string{""}}}
	if diff := cmp.Diff(want, m.Usage); diff != "" {
		t.Error(diff)
	}
}
