package projections_test

import (
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Of two restorations each position belongs to one epoch, whether the state
// shows it yet or not, and a snapshot knows the same.
func TestEpochs(t *testing.T) {
	s := replayed(t, []page{
		on("acme", 0, &events.OrganizationCreated{ID: "acme"}),
		on("", time.Minute, &events.LogRestored{ID: "first", From: 1}),
		on("acme", time.Minute, &events.OrganizationTokensRevoked{ID: "acme"}),
		on("", time.Minute, &events.LogRestored{ID: "second", From: 3, TokensKept: true}),
		on("", time.Minute, &events.LogRestored{ID: "first", From: 4}), // nobody writes that
	})
	for _, s := range []*projections.State{s, restored(t, encoded(t, s.Freeze()))} {
		for position, want := range map[events.Position]string{0: "", 1: "", 2: "first", 3: "first", 4: "second", 99: "second"} {
			if got := s.Epochs.At(position); got != want {
				t.Errorf("position %d is of epoch %q, want %q", position, got, want)
			}
		}
		e, ok := s.Epochs.Get("second")
		if !ok || e.From != 3 || !e.TokensKept || !e.StartedAt.Equal(epoch.Add(time.Minute)) {
			t.Errorf("%+v, %v", e, ok)
		}
	}
	if projections.New().Epochs.At(7) != "" {
		t.Error("a log that was not restored has an epoch")
	}
}

// The ending of everything names nothing but the organization.
func TestEndingOfEverything(t *testing.T) {
	n, ok := projections.EndingOf(7, 0, &events.Event{
		Type: "organization.tokens_revoked", Organization: "acme", Data: &events.OrganizationTokensRevoked{ID: "acme", Reason: "log_restored"},
	})
	if !ok || !n.Everything() || n.Before != 7 || n.Organization != "acme" || n.Reason != "log_restored" {
		t.Errorf("%+v, %v", n, ok)
	}
	n, _ = projections.EndingOf(7, 0, &events.Event{Data: &events.UserDisabled{ID: "u1"}})
	if n.Everything() {
		t.Error("the ending of a user is one of everything")
	}
}
