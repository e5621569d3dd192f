package command_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

// start is the time of the first event; each later one is a second after.
var start = time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)

// happened is an event of an organization.
type happened struct {
	organization string
	data         events.Data
}

func in(organization string, data events.Data) happened { return happened{organization, data} }

// given folds events, one record each, in the order given.
func given(t *testing.T, history ...happened) *projections.State {
	t.Helper()
	s := projections.New()
	for i, h := range history {
		subject, err := events.SubjectFor(h.organization, h.data)
		if err != nil {
			t.Fatal(err)
		}
		apply(t, s, subject, i+1, 0, h)
	}
	return s
}

func apply(t *testing.T, s *projections.State, subject string, position, ordinal int, h happened) {
	t.Helper()
	record := projections.Record{Position: events.Position(position), Subject: subject}
	err := s.Apply(record, ordinal, &events.Event{
		ID: events.NewID("e_"), Type: h.data.EventType(), Version: 1, Organization: h.organization,
		Time: start.Add(time.Duration(position-1) * time.Second), Data: h.data,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// then compares a decision's events, and its guard (-1: none).
func then(t *testing.T, d command.Decision, err error, guard int, want ...events.Data) {
	t.Helper()
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if diff := cmp.Diff(want, d.Events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	switch {
	case guard < 0 && d.Guard != nil:
		t.Errorf("guard %d, want none", *d.Guard)
	case guard >= 0 && (d.Guard == nil || *d.Guard != events.Position(guard)):
		t.Errorf("guard %v, want %d", d.Guard, guard)
	}
	for _, e := range d.Events {
		if d.Subject == events.BootstrapSubject() {
			break
		}
		if subject, err := events.SubjectFor(d.Organization, e); err != nil || subject != d.Subject {
			t.Errorf("subject %q, but %s belongs to %q (%v)", d.Subject, e.EventType(), subject, err)
		}
	}
}

// refused expects an error of a kind.
func refused(t *testing.T, d command.Decision, err error, kind command.Kind) {
	t.Helper()
	if !errors.Is(err, &command.Error{Kind: kind}) {
		t.Errorf("got %v (%d events), want a refusal of kind %d", err, len(d.Events), kind)
	}
	if len(d.Events) != 0 {
		t.Errorf("%d events together with a refusal", len(d.Events))
	}
}

func digest(b byte) *events.SecretDigest { return &events.SecretDigest{b} }

func ptr[T any](v T) *T { return &v }

func acme() happened { return in("acme", &events.OrganizationCreated{ID: "acme", Name: "Acme"}) }

func catalogue(names ...string) happened {
	scopes := make([]events.Scope, len(names))
	for i, name := range names {
		scopes[i].Name = name
	}
	return in("acme", &events.ScopesSet{ID: "acme", Scopes: scopes})
}

func application(id string, scopes ...string) happened {
	return in("acme", &events.ApplicationCreated{
		ID: id, ClientID: "app_" + id, Secret: digest(1),
		ApplicationSettings: events.ApplicationSettings{Name: "An application", Scopes: scopes},
	})
}
