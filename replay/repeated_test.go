package replay

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
)

// What came of a request that the log had seen before did not happen, in any
// account of the past: no second secret, no application, no ending.
func TestRepeatedRequests(t *testing.T) {
	w := newWriter(t)
	minutes := func(n int) []time.Duration {
		return []time.Duration{time.Duration(n) * time.Minute, time.Duration(n) * time.Minute}
	}
	keyed := func(key, nonce byte) *events.RequestKeyed {
		return &events.RequestKeyed{Key: events.RequestDigest{key}, Nonce: events.RequestNonce{nonce}, Covers: 1}
	}
	rotation := &events.SecretRotated{ID: "a1", Secret: &events.SecretDigest{2}}
	after := token(2, time.Hour)
	after.Secret = 2
	w.at(0, &events.OrganizationCreated{ID: "acme", Name: "Acme"})
	w.at(0, &events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}})
	w.at(0, token(1, time.Hour))
	w.page(minutes(1), keyed(1, 1), rotation)
	w.at(time.Minute, after)
	w.page(minutes(2), keyed(1, 2), rotation)
	w.page(minutes(2), keyed(2, 1), &events.ApplicationCreated{ID: "a2", ClientID: "app_2"})
	w.page(minutes(3), keyed(2, 2), &events.ApplicationCreated{ID: "a3", ClientID: "app_3"})

	d, err := FindDiff(t.Context(), w, nil, Moment{Position: 3}, Moment{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range d.Changes {
		got = append(got, c.String())
	}
	want := []string{"4 rotated application a1  secretVersion: 1 > 2", "6 none application a1", "7 created application a2", "8 none application a3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Tally{{Organization: "acme", Application: "a1", Before: 1, Issued: 1, Revoked: 1, After: 1}}, d.Tokens); diff != "" {
		t.Error(diff)
	}
	history := HistoryOf(w, Moment{}, nil)
	impact, err := FindImpact(t.Context(), history, Suspect{Application: "a1", OfSecret: true}, epoch)
	if err != nil || impact.Live != 1 || impact.Revoked != 1 {
		t.Errorf("%+v, %v", impact, err)
	}
	for _, s := range []Suspect{{Application: "a1", OfSecret: true, Version: 3}, {Application: "app_3"}} {
		if impact, err := FindImpact(t.Context(), history, s, epoch); err == nil {
			t.Errorf("%+v led to %+v", s, impact)
		}
	}
	l, ok, err := FindLineage(t.Context(), history, after.ID, epoch)
	if !ok || err != nil || l.Token.End != nil {
		t.Fatalf("%+v, %v, %v", l, ok, err)
	}
	for _, link := range l.Path {
		if link.Role == "secret" && link.Position != 4 {
			t.Errorf("the secret comes from record %d", link.Position)
		}
	}
}
