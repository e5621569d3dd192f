package projections_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// webhook draws an event about a webhook.
func (g *generator) webhook(org string) page {
	id := rapid.SampledFrom([]string{"w1", "w2", "w3"}).Draw(g.t, "webhook")
	soon := epoch.Add(g.now + 15*time.Second)
	progress := events.WebhookProgress{
		Position: events.Position(rapid.IntRange(1, 9).Draw(g.t, "reached")), Amid: rapid.IntRange(0, 2).Draw(g.t, "amid"),
		Acknowledged: rapid.IntRange(0, 3).Draw(g.t, "acknowledged"),
	}
	switch rapid.IntRange(0, 7).Draw(g.t, "happens") {
	case 0:
		return on(org, g.now, &events.WebhookLeased{ID: id, Lease: "l1", Until: soon})
	case 1:
		return on(org, g.now, &events.WebhookAdvanced{ID: id, WebhookProgress: progress, Until: soon})
	case 2:
		return on(org, g.now, &events.WebhookAdvanced{ID: id, WebhookProgress: progress})
	case 3:
		return on(org, g.now, &events.WebhookFailed{ID: id, WebhookProgress: progress, Error: "slow", RetryAt: soon})
	case 4:
		return on(org, g.now, &events.WebhookDied{ID: id, WebhookProgress: progress, Error: "refused"})
	case 5:
		return on(org, g.now, &events.WebhookResumed{ID: id})
	case 6:
		return on(org, g.now, &events.WebhookDeleted{ID: id})
	}
	return on(org, g.now, webhookCreated(id, 0))
}

func webhookCreated(id string, after events.Position) *events.WebhookCreated {
	return &events.WebhookCreated{
		ID: id, WebhookSettings: events.WebhookSettings{URL: "https://receiver.example", Audience: "receiver"},
		Authorization: []byte("sealed"), After: after,
	}
}

func TestWebhookLife(t *testing.T) {
	minute := time.Minute
	at := func(position events.Position, amid, acknowledged int) events.WebhookProgress {
		return events.WebhookProgress{Position: position, Amid: amid, Acknowledged: acknowledged}
	}
	revoked := on("acme", 0, &events.TokenRevoked{ID: tokenID(1), Application: "a1"})
	elsewhere := on("globex", 0, &events.TokenRevoked{ID: tokenID(2), Application: "a2"})
	made := on("acme", 0, webhookCreated("w1", 1)) // the third record
	given := func(more ...page) []page { return append([]page{revoked, elsewhere, made, revoked}, more...) }
	lease := on("acme", minute, &events.WebhookLeased{ID: "w1", Lease: "l1", Until: epoch.Add(2 * minute)})
	fail := func(after time.Duration, p events.WebhookProgress) page {
		return on("acme", after, &events.WebhookFailed{ID: "w1", WebhookProgress: p, Error: "slow", RetryAt: epoch.Add(after + minute)})
	}
	die := on("acme", 2*minute, &events.WebhookDied{ID: "w1", WebhookProgress: at(1, 0, 0), Error: "refused"})
	zero := events.Position(0)
	tests := []struct {
		name  string
		pages []page
		want  string // status reached/lag acknowledged, lease, attempts, since, free, error; empty: gone
	}{
		{"created", given(), `active 1/3 0 "" 0 - - ""`},
		{"nothing of its own to push", []page{revoked, elsewhere, made, elsewhere}, `active 1/0 0 "" 0 - - ""`},
		{"leased", given(lease), `active 1/3 0 "l1" 0 - 2m ""`},
		{"acknowledged", given(lease, on("acme", minute, &events.WebhookAdvanced{ID: "w1", WebhookProgress: at(4, 0, 2), Until: epoch.Add(3 * minute)})), `active 4/0 2 "l1" 0 - 3m ""`},
		{"given back", given(lease, on("acme", minute, &events.WebhookAdvanced{ID: "w1", WebhookProgress: at(4, 0, 1)})), `active 4/0 1 "" 0 - - ""`},
		{"amid a record", given(lease, on("acme", minute, &events.WebhookAdvanced{ID: "w1", WebhookProgress: at(4, 1, 1)})), `active 3/1 1 "" 0 - - ""`},
		{"failed", given(lease, fail(minute, at(1, 0, 0))), `failing 1/3 0 "" 1 1m 2m "slow"`},
		{"failed twice", given(lease, fail(minute, at(1, 0, 0)), fail(2*minute, at(1, 0, 0))), `failing 1/3 0 "" 2 1m 3m "slow"`},
		{"failed anew", given(lease, fail(minute, at(1, 0, 0)), fail(2*minute, at(3, 0, 1))), `failing 3/1 1 "" 1 2m 3m "slow"`},
		{"overcome", given(lease, fail(minute, at(1, 0, 0)), on("acme", 2*minute, &events.WebhookAdvanced{ID: "w1", WebhookProgress: at(4, 0, 1)})), `active 4/0 1 "" 0 - - "slow"`},
		{"only held longer", given(lease, fail(minute, at(1, 0, 0)), on("acme", 2*minute, &events.WebhookAdvanced{ID: "w1", WebhookProgress: at(1, 0, 0), Until: epoch.Add(4 * minute)})), `failing 1/3 0 "" 1 1m 4m "slow"`},
		{"dead", given(lease, die), `dead 1/3 0 "" 1 2m - "refused"`},
		{"resumed", given(lease, die, on("acme", 3*minute, &events.WebhookResumed{ID: "w1"})), `active 1/3 0 "" 0 - - "refused"`},
		{"resumed from the start", given(lease, die, on("acme", 3*minute, &events.WebhookResumed{ID: "w1", After: &zero})), `active 0/4 0 "" 0 - - "refused"`},
		{"deleted", given(lease, on("acme", minute, &events.WebhookDeleted{ID: "w1"})), ""},
		{"after the deletion", given(on("acme", 0, &events.WebhookDeleted{ID: "w1"}), lease), ""},
		{"another organization's event", given(on("globex", 0, &events.WebhookDeleted{ID: "w1"})), `active 1/3 0 "" 0 - - ""`},
		{"created twice", given(on("acme", minute, webhookCreated("w1", 4))), `active 1/3 0 "" 0 - - ""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := replayed(t, tt.pages)
			if got := describe(s, "w1"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			again := restored(t, encoded(t, s.Freeze()))
			if got := describe(again, "w1"); got != tt.want {
				t.Errorf("restored %s\nwant     %s", got, tt.want)
			}
		})
	}
}

func describe(s *projections.State, id string) string {
	w, ok := s.Webhooks.Get(id)
	if listed := s.Webhooks.After("acme", 0, 0); ok != (len(listed) == 1 && listed[0] == w) {
		return fmt.Sprintf("listed are %v", listed)
	}
	if !ok {
		return ""
	}
	status := "active"
	switch {
	case w.Dead():
		status = "dead"
	case w.Failing():
		status = "failing"
	}
	return fmt.Sprintf("%s %d/%d %d %q %d %s %s %q",
		status, w.Reached(), s.Webhooks.Lag(w), w.Acknowledged, w.Lease, w.Attempts, minutes(w.FailingSince), minutes(w.Free()), w.Error)
}

func minutes(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%gm", t.Sub(epoch).Minutes())
}
