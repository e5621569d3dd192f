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

func request(key, what byte) *events.RequestKeyed {
	return &events.RequestKeyed{Key: events.RequestDigest{key}, Request: events.RequestDigest{what}, Nonce: events.RequestNonce{7}}
}

// remembered is the history of acme with a request that made a scope catalogue.
func remembered(t *testing.T, key, what byte) *projections.State {
	t.Helper()
	s := given(t, acme())
	d := request(key, what)
	d.Covers = 1
	for i, h := range []happened{in("acme", d), catalogue("read")} {
		apply(t, s, events.OrganizationSubject("acme"), 2, i, h)
	}
	return s
}

func setScopes(s *projections.State) func() (command.Decision, error) {
	return func() (command.Decision, error) {
		return command.SetScopes(s, "acme", nil, []events.Scope{{Name: "write"}})
	}
}

func TestOnce(t *testing.T) {
	for _, c := range []struct {
		name  string
		key   byte
		what  byte
		after time.Duration
		err   error
	}{
		{name: "another key", key: 2, what: 1},
		{name: "the same", key: 1, what: 1, err: command.ErrRepeated},
		{name: "the same, a day later but for a moment", key: 1, what: 1, after: projections.RequestMemory - 1, err: command.ErrRepeated},
		{name: "the same, a day later", key: 1, what: 1, after: projections.RequestMemory},
		{name: "another request", key: 1, what: 2, err: &command.Error{Kind: command.KindKeyReused}},
		{name: "another request, a day later", key: 1, what: 2, after: projections.RequestMemory},
		{name: "by a clock that is late", key: 1, what: 1, after: -time.Hour, err: command.ErrRepeated},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := remembered(t, 1, 1)
			r := request(c.key, c.what)
			d, err := command.Once(s, s.Time.Add(c.after), r, setScopes(s))
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err != nil {
				if len(d.Events) > 0 {
					t.Error("events with a refusal")
				}
				return
			}
			keyed := *r
			keyed.Covers = 1
			want := []events.Data{&keyed, &events.ScopesSet{ID: "acme", Scopes: []events.Scope{{Name: "write"}}}}
			if diff := cmp.Diff(want, d.Events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if d.Guard == nil || *d.Guard != 2 || d.Subject != events.OrganizationSubject("acme") {
				t.Errorf("guard %v on %s", d.Guard, d.Subject)
			}
		})
	}
}

// A request without a key is decided as ever, and a refusal leaves no trace.
func TestOnceAddsNothing(t *testing.T) {
	s := remembered(t, 1, 1)
	d, err := command.Once(s, s.Time, nil, setScopes(s))
	then(t, d, err, 2, &events.ScopesSet{ID: "acme", Scopes: []events.Scope{{Name: "write"}}})
	d, err = command.Once(s, s.Time, request(2, 1), func() (command.Decision, error) { return command.Decision{}, command.ErrNotFound })
	refused(t, d, err, command.KindNotFound)
}

// All events of a decision are covered.
func TestOnceCoversAll(t *testing.T) {
	s := given(t)
	d, err := command.Once(s, start, request(1, 1), func() (command.Decision, error) {
		return command.CreateOrganization(s, command.NewOrganization{ID: "acme", Name: "Acme", Scopes: []events.Scope{{Name: "read"}}})
	})
	if err != nil || len(d.Events) != 3 || d.Events[0].(*events.RequestKeyed).Covers != 2 {
		t.Errorf("%+v, %v", d, err)
	}
}
