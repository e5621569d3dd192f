package command_test

import (
	"errors"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
)

const receiver = "https://receiver.example/hook"

// hooked is an organization with a webhook and an ending that is to be pushed.
func hooked(more ...happened) []happened {
	return append([]happened{
		acme(),
		in("acme", &events.WebhookCreated{ID: "w1", WebhookSettings: events.WebhookSettings{URL: receiver}, After: 1}),
		in("acme", &events.TokenRevoked{Application: "a1"}),
	}, more...)
}

func leased(lease string, until time.Time) happened {
	return in("acme", &events.WebhookLeased{ID: "w1", Lease: lease, Until: until})
}

func TestCreateWebhook(t *testing.T) {
	s := given(t, hooked()...)
	s.Position = 3 // as a follower sets it
	target := command.Target{Organization: "acme", ID: "w2", Held: []string{"applications:write"}}
	settings := events.WebhookSettings{URL: receiver, Audience: "receiver"}
	d, err := command.CreateWebhook(s, target, command.NewWebhook{WebhookSettings: settings, Authorization: []byte("sealed")})
	then(t, d, err, 0, &events.WebhookCreated{ID: "w2", WebhookSettings: settings, Authorization: []byte("sealed"), After: 3})
	d, err = command.CreateWebhook(s, target, command.NewWebhook{WebhookSettings: settings, After: ptr(events.Position(0))})
	then(t, d, err, 0, &events.WebhookCreated{ID: "w2", WebhookSettings: settings})
	d, err = command.CreateWebhook(s, target, command.NewWebhook{WebhookSettings: settings, After: ptr(events.Position(4))})
	refused(t, d, err, command.KindInvalid)

	target.Organization = "globex"
	d, err = command.CreateWebhook(s, target, command.NewWebhook{WebhookSettings: settings})
	refused(t, d, err, command.KindNotFound)
}

func TestWebhookURLs(t *testing.T) {
	s := given(t, acme())
	operator := []string{command.ScopeAdmin}
	for _, c := range []struct {
		url     string
		private bool
		held    []string
		kind    command.Kind // 0: accepted
	}{
		{"https://receiver.example", false, nil, 0},
		{"https://receiver.example:8443/a?b=c", false, nil, 0},
		{"https://10.0.0.1/", true, operator, 0},
		{"http://127.0.0.1:9000/", true, operator, 0},
		{"http://localhost:9000/", true, operator, 0},
		{"http://[::1]/", true, operator, 0},
		{"https://127.0.0.1/", true, nil, command.KindForbidden},
		{"https://127.0.0.1/", false, operator, command.KindInvalid},
		{"https://169.254.169.254/", false, nil, command.KindInvalid},
		{"https://localhost/", false, nil, command.KindInvalid},
		{"http://receiver.example", false, nil, command.KindInvalid},
		{"http://receiver.example", true, operator, command.KindInvalid},
		{"http://10.0.0.1/", true, operator, command.KindInvalid},
		{"http://localhost.receiver.example/", true, operator, command.KindInvalid},
		{"", false, nil, command.KindInvalid},
		{"receiver.example", false, nil, command.KindInvalid},
		{"ftp://receiver.example", false, nil, command.KindInvalid},
		{"https://user@receiver.example", false, nil, command.KindInvalid},
		{"https://receiver.example/#x", false, nil, command.KindInvalid},
		{"https://receiver.example/a b", false, nil, command.KindInvalid},
		{"https://receiver.example\\@127.0.0.1", false, nil, command.KindInvalid},
		{"https://${f4w_access_token}.example/", false, nil, command.KindInvalid},
		{"https://receiver.example/${f4w_access_token}", false, nil, command.KindInvalid},
		{"https://receiver.example:0/", false, nil, command.KindInvalid},
	} {
		target := command.Target{Organization: "acme", ID: "w1", Held: c.held}
		settings := events.WebhookSettings{URL: c.url, Private: c.private}
		d, err := command.CreateWebhook(s, target, command.NewWebhook{WebhookSettings: settings})
		if c.kind != 0 {
			refused(t, d, err, c.kind)
		}
		if (err == nil) != (c.kind == 0) {
			t.Errorf("%s (private %v): %v", c.url, c.private, err)
		}
	}
	for _, audience := range []string{"a b", "\x00", "é"} {
		settings := events.WebhookSettings{URL: receiver, Audience: audience}
		d, err := command.CreateWebhook(s, command.Target{Organization: "acme", ID: "w1"}, command.NewWebhook{WebhookSettings: settings})
		refused(t, d, err, command.KindInvalid)
	}
	for value, ok := range map[string]bool{
		"Bearer abc": true, "": false, " Bearer abc": false, "Bearer abc ": false, "Bearer a\r\nX: y": false, "Bearer \x00": false, "Bearer é": false,
	} {
		if err := command.CheckAuthorization(value); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestWebhooksAreFew(t *testing.T) {
	history := []happened{acme()}
	for i := range 20 {
		history = append(history, in("acme", &events.WebhookCreated{ID: string(rune('a' + i)), WebhookSettings: events.WebhookSettings{URL: receiver}}))
	}
	d, err := command.CreateWebhook(given(t, history...), command.Target{Organization: "acme", ID: "w1"},
		command.NewWebhook{WebhookSettings: events.WebhookSettings{URL: receiver}})
	refused(t, d, err, command.KindConflict)
}

func TestResumeAndDeleteWebhook(t *testing.T) {
	s := given(t, hooked()...)
	s.Position = 3 // as a follower sets it
	d, err := command.ResumeWebhook(s, "acme", "w1", nil)
	then(t, d, err, 2, &events.WebhookResumed{ID: "w1"})
	d, err = command.ResumeWebhook(s, "acme", "w1", ptr(events.Position(3)))
	then(t, d, err, 2, &events.WebhookResumed{ID: "w1", After: ptr(events.Position(3))})
	d, err = command.ResumeWebhook(s, "acme", "w1", ptr(events.Position(4)))
	refused(t, d, err, command.KindInvalid)
	d, err = command.DeleteWebhook(s, "acme", "w1")
	then(t, d, err, 2, &events.WebhookDeleted{ID: "w1"})
	for _, other := range [][2]string{{"globex", "w1"}, {"acme", "w2"}} {
		d, err = command.ResumeWebhook(s, other[0], other[1], nil)
		refused(t, d, err, command.KindNotFound)
		d, err = command.DeleteWebhook(s, other[0], other[1])
		refused(t, d, err, command.KindNotFound)
	}
}

func TestLeaseWebhook(t *testing.T) {
	now := start.Add(time.Minute)
	failed := func(retry time.Time) happened {
		return in("acme", &events.WebhookFailed{ID: "w1", WebhookProgress: events.WebhookProgress{Position: 1}, Error: "slow", RetryAt: retry})
	}
	for _, c := range []struct {
		name  string
		given []happened
		free  bool
	}{
		{"something to push", hooked(), true},
		{"held", hooked(leased("theirs", now.Add(time.Second))), false},
		{"its holder is gone", hooked(leased("theirs", now)), true},
		{"it failed just now", hooked(failed(now.Add(time.Second))), false},
		{"it is time to try again", hooked(failed(now)), true},
		{"nothing to push", hooked(in("acme", &events.WebhookAdvanced{ID: "w1", WebhookProgress: events.WebhookProgress{Position: 3}})), false},
		{"amid the last record", hooked(in("acme", &events.WebhookAdvanced{ID: "w1", WebhookProgress: events.WebhookProgress{Position: 3, Amid: 1}})), true},
		{"dead", hooked(in("acme", &events.WebhookDied{ID: "w1", Error: "refused"})), false},
		{"deleted", hooked(in("acme", &events.WebhookDeleted{ID: "w1"})), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := given(t, c.given...)
			d, err := command.LeaseWebhook(s, now, "w1", "mine", 15*time.Second)
			if !c.free {
				if !errors.Is(err, command.ErrNotHolder) {
					t.Errorf("%v", err)
				}
				return
			}
			w, _ := s.Webhooks.Get("w1")
			then(t, d, err, int(w.Revision), &events.WebhookLeased{ID: "w1", Lease: "mine", Until: now.Add(15 * time.Second)})
		})
	}
}

func TestAdvanceWebhook(t *testing.T) {
	now := start.Add(time.Minute)
	s := given(t, hooked(leased("mine", now))...)
	progress := events.WebhookProgress{Position: 3, Acknowledged: 1}
	d, err := command.AdvanceWebhook(s, now, "w1", "mine", progress, 15*time.Second)
	then(t, d, err, 4, &events.WebhookAdvanced{ID: "w1", WebhookProgress: progress, Until: now.Add(15 * time.Second)})
	d, err = command.AdvanceWebhook(s, now, "w1", "mine", progress, 0)
	then(t, d, err, 4, &events.WebhookAdvanced{ID: "w1", WebhookProgress: progress})
	for name, history := range map[string][]happened{
		"another's": hooked(leased("mine", now), leased("theirs", now)), "resumed": hooked(leased("mine", now), in("acme", &events.WebhookResumed{ID: "w1"})),
		"deleted": hooked(leased("mine", now), in("acme", &events.WebhookDeleted{ID: "w1"})),
	} {
		s := given(t, history...)
		if _, err := command.AdvanceWebhook(s, now, "w1", "mine", progress, 0); !errors.Is(err, command.ErrNotHolder) {
			t.Errorf("%s: advance: %v", name, err)
		}
		if _, err := command.FailWebhook(s, now, "w1", "mine", progress, command.WebhookFailure{}); !errors.Is(err, command.ErrNotHolder) {
			t.Errorf("%s: fail: %v", name, err)
		}
	}
}

// A receiver may fail for a time; the last attempt is made at its end.
func TestFailWebhook(t *testing.T) {
	nothing, some := events.WebhookProgress{Position: 1}, events.WebhookProgress{Position: 3, Acknowledged: 1}
	// The first failure stands at start+3s.
	failing := hooked(in("acme", &events.WebhookFailed{ID: "w1", WebhookProgress: nothing, Error: "slow"}), leased("mine", start))
	first := hooked(leased("mine", start))
	for _, c := range []struct {
		name     string
		given    []happened
		at       time.Duration
		progress events.WebhookProgress
		refused  bool
		retry    time.Duration // 0: dead
	}{
		{"the first", first, time.Minute, nothing, false, 90 * time.Second},
		{"refused", first, time.Minute, nothing, true, 0},
		{"again", failing, time.Minute, nothing, false, 90 * time.Second},
		{"near the end", failing, time.Hour - 10*time.Second, nothing, false, time.Hour + 3*time.Second},
		{"at the end", failing, time.Hour + 3*time.Second, nothing, false, 0},
		{"at the end, but something was acknowledged", failing, time.Hour + 3*time.Second, some, false, time.Hour + 33*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := given(t, c.given...)
			f := command.WebhookFailure{Error: "slow", Refused: c.refused, Pause: 30 * time.Second, GiveUp: time.Hour}
			d, err := command.FailWebhook(s, start.Add(c.at), "w1", "mine", c.progress, f)
			if c.retry == 0 {
				then(t, d, err, len(c.given), &events.WebhookDied{ID: "w1", WebhookProgress: c.progress, Error: "slow"})
				return
			}
			then(t, d, err, len(c.given), &events.WebhookFailed{ID: "w1", WebhookProgress: c.progress, Error: "slow", RetryAt: start.Add(c.retry)})
		})
	}
}
