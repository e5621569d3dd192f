package guard_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

const quotes = "12345678-1234-1234-1234-123456789abc"

// service adds one to acme, with a credential if it asks for tokens.
func (r *replica) service(uuid, authType string) {
	r.t.Helper()
	r.append(&events.ServiceCreated{
		ID: uuid, Profile: "p", Environment: "e", AuthType: authType,
		ServiceSettings: events.ServiceSettings{Name: "A service", Upstream: "http://127.0.0.1:9002"},
	})
	if authType == events.AuthOAuth {
		r.append(&events.ServiceCredentialAdded{ID: uuid, ClientID: "svc_1", Secret: &events.SecretDigest{1}})
	}
}

func (r *replica) serviceToken(uuid string) string {
	r.t.Helper()
	text, issued := r.signed("svc_1", command.ScopeServiceCall, "", time.Hour)
	issued.Service, issued.Secret = uuid, 0
	r.append(issued)
	return text
}

func serviceCall(token, uuid string) guard.Call {
	return guard.Call{Token: token, Service: &command.ServiceName{Profile: "p", Environment: "e", UUID: uuid}}
}

func TestServiceCalls(t *testing.T) {
	const other, open = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
	r := newSite(t).replica()
	r.acme(events.Limits{PerMinute: 3, PerHour: 70})
	r.append(application("a1", events.Limits{}))
	r.service(quotes, events.AuthOAuth)
	r.service(other, events.AuthOAuth)
	r.service(open, events.AuthNone)
	token, bearer := r.serviceToken(quotes), r.token("a1", "read:customers service:call", time.Hour)

	for _, c := range []struct {
		name, token, uuid, want string
	}{
		{"its own token", token, quotes, ""},
		{"another service", token, other, "Insufficient scope for this endpoint"},
		{"an application's token", bearer, quotes, "Insufficient scope for this endpoint"},
		{"no such service", token, "00000000-0000-0000-0000-000000000009", "Not found"},
		{"no token", "", quotes, "Invalid token"},
		{"open to all", "", open, ""},
		{"open to all, with a token", token, open, ""},
	} {
		pass, err := r.Check(context.Background(), serviceCall(c.token, c.uuid))
		if message(err) != c.want {
			t.Errorf("%s: %q, want %q", c.name, message(err), c.want)
		}
		if err == nil && (pass.Service == nil || pass.Service.ID != c.uuid) {
			t.Errorf("%s: passed to %v", c.name, pass.Service)
		}
	}
	if _, err := r.get(token); message(err) != "Insufficient scope for this endpoint" {
		t.Errorf("a service's token opens a route: %v", err)
	}

	// Services have no limit of their own; their organization's counts.
	pass, err := r.Check(context.Background(), serviceCall(token, quotes))
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	pass.WriteQuota(h)
	pass.WriteIdentity(h)
	for name, want := range map[string]string{
		"X-RateLimit-Limit": "70", "X-RateLimit-Remaining": "68", "X-RateLimit-Organization-Remaining": "68",
		"RateLimit-Policy": `"organization-minute";q=3;w=60, "organization-hour";q=70;w=3600`,
		"X-Auth-Client-Id": "svc_1", "X-Auth-Application-Id": "", "X-Auth-Organization-Id": "acme", "X-Auth-Scope": "service:call",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, err = r.Check(context.Background(), serviceCall(token, quotes)); err != nil {
		t.Fatal(err)
	}
	var full *oauth.Error
	if pass, err = r.Check(context.Background(), serviceCall(token, quotes)); !errors.As(err, &full) || full.Status != 429 {
		t.Errorf("the organization's limit does not hold: %v", err)
	}
	pass.WriteQuota(h)
	for _, name := range []string{"X-RateLimit-Remaining", "X-RateLimit-Organization-Remaining"} {
		if got := h.Get(name); got != "0" {
			t.Errorf("%s is %q while the minute is full", name, got)
		}
	}
	if _, err = r.Check(context.Background(), serviceCall("", open)); err != nil {
		t.Errorf("calls without a token have no quota to be over: %v", err)
	}
	r.stop()
	r.base.View(func(s *projections.State) {
		if got := s.Usage.Organization("acme").Minute(r.base.Now()).Calls; got != 3 {
			t.Errorf("%d calls are accounted for, want 3", got)
		}
	})
}
