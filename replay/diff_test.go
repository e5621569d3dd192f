package replay

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
)

func (c Change) String() string {
	var fields []string
	for _, f := range c.Fields {
		fields = append(fields, fmt.Sprintf("%s: %v > %v", f.Name, f.From, f.To))
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s %s %s %s", c.Position, c.Kind, c.About, c.Object, c.Name, strings.Join(fields, ", ")))
}

func TestDiff(t *testing.T) {
	w := newWriter(t)
	user := events.UserProfile{Handle: "h1", Email: []byte("sealed"), Role: "AGENT"}
	moved := user
	moved.Handle, moved.Email, moved.Role = "h2", []byte("sealed again"), "ADMIN"
	for i, d := range []events.Data{
		&events.OrganizationCreated{ID: "acme", Name: "Acme"},
		&events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}, ApplicationSettings: events.ApplicationSettings{Name: "One"}},
		token(1, time.Hour),
		&events.OrganizationUpdated{ID: "acme", Name: "Acme Inc", Limits: events.Limits{PerMinute: 5}},
		&events.ScopesSet{ID: "acme", Scopes: []events.Scope{{Name: "read:x"}}},
		&events.ApplicationUpdated{ID: "a1", ApplicationSettings: events.ApplicationSettings{Name: "Two", TokenLifetime: 60}},
		&events.ApplicationTokensRevoked{ID: "a1", Reason: "test"},
		&events.UserCreated{ID: "u1", UserProfile: user},
		&events.UserUpdated{ID: "u1", UserProfile: moved},
		&events.UserPasswordChanged{ID: "u1", Password: []byte("sealed")},
		&events.UserDisabled{ID: "u1"},
		&events.ServiceCreated{ID: "s1", AuthType: events.AuthOAuth, ServiceSettings: events.ServiceSettings{Name: "Quotes"}},
		&events.ServiceCredentialAdded{ID: "s1", ClientID: "svc_1", Secret: &events.SecretDigest{1}},
		&events.SealingKeyCreated{ID: "d1", Wrapped: []byte{1}},
		&events.BeaconSent{Nonce: "x"},
		&events.ApplicationDeleted{ID: "a1"},
		&events.ApplicationUpdated{ID: "a1", ApplicationSettings: events.ApplicationSettings{Name: "Too late"}},
	} {
		w.at(time.Duration(i)*time.Minute, d)
	}
	d, err := FindDiff(t.Context(), w, nil, Moment{Position: 3}, Moment{Time: epoch.Add(time.Hour - 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range d.Changes {
		got = append(got, c.String())
	}
	want := []string{
		"4 changed organization acme Acme Inc name: Acme > Acme Inc, limits: {0 0} > {5 0}",
		"5 changed organization acme Acme Inc scopes: [] > [{read:x  []}]",
		"6 changed application a1 Two name: One > Two, tokenLifetime: 0 > 60",
		"7 ended application a1 Two",
		"8 created user u1",
		"9 changed user u1  handle: h1 > h2, email: (not shown) > (not shown), role: AGENT > ADMIN",
		"10 rotated user u1",
		"11 ended user u1  disabled: false > true",
		"12 created service s1 Quotes",
		"13 changed service s1 Quotes credentials: [] > [svc_1]",
		"14 created sealing d1",
		"16 deleted application a1 Two",
		"17 none application a1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	tallies := []Tally{{Organization: "acme", Application: "a1", Before: 1, Revoked: 1}}
	if diff := cmp.Diff(tallies, d.Tokens); diff != "" {
		t.Error(diff)
	}
	if from, to := (Bound{3, epoch.Add(2 * time.Minute)}), (Bound{17, epoch.Add(time.Hour - 1)}); d.From != from || d.To != to {
		t.Errorf("from %+v to %+v", d.From, d.To)
	}
	for _, m := range [][2]Moment{
		{{Position: 3}, {Position: 2}}, {{Position: 3}, {Time: epoch}}, {{Time: epoch.Add(time.Hour)}, {Time: epoch}}, {{Time: epoch.Add(time.Hour)}, {Position: 2}},
	} {
		if _, err := FindDiff(t.Context(), w, nil, m[0], m[1], nil); !errors.Is(err, ErrOrder) {
			t.Errorf("%v: %v", m, err)
		}
	}
}
