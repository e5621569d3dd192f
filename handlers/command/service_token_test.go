package command_test

import (
	"errors"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

var quotesName = command.ServiceName{Profile: "my-profile", Environment: "production", UUID: quotes}

func servicesState(t *testing.T) *projections.State {
	t.Helper()
	return given(t, acme(), in("globex", &events.OrganizationCreated{ID: "globex", Name: "Globex"}),
		service(quotes, "oauth"), credential(quotes, "svc_1"),
		service(orders, "none"), credential(orders, "svc_2"),
		application("a_1", "read"),
		in("globex", &events.ServiceCreated{ID: "00000000-0000-4000-8000-000000000002", Profile: "my-profile", Environment: "production", AuthType: "oauth"}),
		in("globex", &events.ServiceCredentialAdded{ID: "00000000-0000-4000-8000-000000000002", ClientID: "svc_3", Secret: digest(1)}),
	)
}

func TestAuthenticateCredential(t *testing.T) {
	s := servicesState(t)
	client, err := command.AuthenticateClient(s, start, "svc_1", digest(1))
	if err != nil || client.ID() != "svc_1" || client.Organization() != "acme" || client.Service.ID != quotes || client.Public() || client.Application != nil {
		t.Errorf("%+v, %v", client, err)
	}
	for name, presented := range map[string]*events.SecretDigest{"wrong": digest(2), "none": nil} {
		if _, err := command.AuthenticateClient(s, start, "svc_1", presented); err != command.ErrInvalidClient {
			t.Errorf("%s secret: %v", name, err)
		}
	}
	for name, ending := range map[string]events.Data{
		"removed": &events.ServiceCredentialRemoved{ID: quotes, ClientID: "svc_1"},
		"deleted": &events.ServiceDeleted{ID: quotes},
	} {
		ended := given(t, acme(), service(quotes, "oauth"), credential(quotes, "svc_1"), in("acme", ending))
		if _, err := command.AuthenticateClient(ended, start, "svc_1", digest(1)); err != command.ErrInvalidClient {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServiceToken(t *testing.T) {
	s := servicesState(t)
	now := start.Add(1500 * time.Millisecond)
	client, _ := command.AuthenticateClient(s, now, "svc_1", digest(1))
	for _, requested := range []string{"", "service:call"} {
		g, err := command.ServiceToken(s, now, client, quotesName, requested)
		if err != nil || g.Scope != "service:call" || !g.IssuedAt.Equal(start.Add(time.Second)) || g.ExpiresAt.Sub(g.IssuedAt) != time.Hour {
			t.Errorf("%+v, %v", g, err)
		}
		d, err := command.RecordToken(g, "client_credentials", events.TokenID{1}, events.TokenDigest{2}, "k")
		then(t, d, err, -1, &events.TokenIssued{
			ID: events.TokenID{1}, Digest: events.TokenDigest{2}, Application: "svc_1", Service: quotes,
			Grant: "client_credentials", Scope: "service:call", Key: "k", IssuedAt: start.Unix() + 1, ExpiresAt: start.Unix() + 3601,
		})
	}
	if _, err := command.ServiceToken(s, now, client, quotesName, "read"); !errors.Is(err, &command.Error{Kind: command.KindInvalidScope}) {
		t.Errorf("another scope: %v", err)
	}
	if _, err := command.ClientCredentials(now, client, ""); !errors.Is(err, &command.Error{Kind: command.KindUnauthorizedClient}) {
		t.Errorf("a credential without a service: %v", err)
	}
}

func TestServiceTokenRefuses(t *testing.T) {
	s := servicesState(t)
	authenticated := func(id string) command.Client {
		client, err := command.AuthenticateClient(s, start, id, digest(1))
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	named := func(profile, environment, uuid string) command.ServiceName {
		return command.ServiceName{Profile: profile, Environment: environment, UUID: uuid}
	}
	for name, c := range map[string]struct {
		client string
		name   command.ServiceName
		want   error
	}{
		"unknown profile":        {"svc_1", named("other", "production", quotes), command.ErrMissingParameters},
		"unknown environment":    {"svc_1", named("my-profile", "development", quotes), command.ErrMissingParameters},
		"unknown service":        {"svc_1", named("my-profile", "production", "00000000-0000-4000-8000-00000000ffff"), command.ErrMissingParameters},
		"no authentication":      {"svc_2", named("my-profile", "production", orders), command.ErrMissingParameters},
		"another's, without":     {"svc_1", named("my-profile", "production", orders), command.ErrMissingParameters},
		"another organization's": {"svc_3", quotesName, command.ErrMissingParameters},
		"another service's":      {"svc_2", quotesName, command.ErrInvalidClient},
		"an application":         {"app_a_1", quotesName, command.ErrInvalidClient},
	} {
		if _, err := command.ServiceToken(s, start, authenticated(c.client), c.name, ""); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestCallService(t *testing.T) {
	s := servicesState(t)
	token := func(organization, uuid string) projections.Token {
		return projections.Token{Organization: organization, Service: uuid, Scope: "service:call"}
	}
	elsewhere := quotesName
	elsewhere.Environment = "development"
	open := command.ServiceName{Profile: "my-profile", Environment: "production", UUID: orders}
	for name, c := range map[string]struct {
		token projections.Token
		state projections.Liveness
		name  command.ServiceName
		want  error
	}{
		"its own":                {token("acme", quotes), projections.Live, quotesName, nil},
		"expired":                {token("acme", quotes), projections.Expired, quotesName, command.ErrTokenExpired},
		"revoked":                {token("acme", quotes), projections.Revoked, quotesName, command.ErrTokenRevoked},
		"unknown":                {token("acme", quotes), projections.Unknown, quotesName, command.ErrTokenInvalid},
		"another service's":      {token("acme", orders), projections.Live, quotesName, command.ErrInsufficientScope},
		"an application's":       {token("acme", ""), projections.Live, quotesName, command.ErrInsufficientScope},
		"another environment":    {token("acme", quotes), projections.Live, elsewhere, command.ErrNotFound},
		"another organization's": {token("globex", quotes), projections.Live, quotesName, command.ErrNotFound},
	} {
		got, err := command.CallService(s, c.token, c.state, c.name)
		if err != c.want || (err == nil) != (got != nil) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, ok := command.OpenService(s, open); !ok || got.ID != orders {
		t.Error("a service without authentication is not open")
	}
	for name, closed := range map[string]command.ServiceName{
		"oauth": quotesName, "another profile": {Profile: "x", Environment: "production", UUID: orders},
		"another environment": {Profile: "my-profile", Environment: "x", UUID: orders}, "unknown": {},
	} {
		if _, ok := command.OpenService(s, closed); ok {
			t.Errorf("%s: open", name)
		}
	}
}

// The prefix of credentials is nobody else's.
func TestApplicationsCannotLookLikeCredentials(t *testing.T) {
	d, err := command.CreateApplication(given(t, acme()), command.NewApplication{
		Target: command.Target{Organization: "acme", ID: "a_1"}, ClientID: "svc_demo", Settings: command.Settings{Name: ptr("x")},
	})
	refused(t, d, err, command.KindInvalid)
}
