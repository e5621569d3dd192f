package command_test

import (
	"errors"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
)

func TestDisableApplication(t *testing.T) {
	s := given(t, acme(), application("a1"))
	d, err := command.DisableApplication(s, target("a1"), nil, true)
	then(t, d, err, -1, &events.ApplicationDisabled{ID: "a1", ClientID: "app_a1"})
	if _, err = command.DisableApplication(s, target("a1"), nil, false); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("enabled already: %v", err)
	}
	d, err = command.DisableApplication(s, target("a1"), []events.Position{7}, true)
	refused(t, d, err, command.KindPrecondition)
	d, err = command.DisableApplication(s, target("none"), nil, true)
	refused(t, d, err, command.KindNotFound)

	s = given(t, acme(), application("a1"), in("acme", &events.ApplicationDisabled{ID: "a1", ClientID: "app_a1"}))
	d, err = command.DisableApplication(s, target("a1"), nil, false)
	then(t, d, err, 2, &events.ApplicationEnabled{ID: "a1"})
	if _, err = command.DisableApplication(s, target("a1"), nil, true); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("disabled already: %v", err)
	}
}

func TestDisableOrganization(t *testing.T) {
	s := given(t, acme())
	d, err := command.DisableOrganization(s, "acme", "default", nil, true)
	then(t, d, err, -1, &events.OrganizationDisabled{ID: "acme"})
	if _, err = command.DisableOrganization(s, "acme", "default", nil, false); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("enabled already: %v", err)
	}
	d, err = command.DisableOrganization(s, "acme", "acme", nil, true)
	refused(t, d, err, command.KindConflict)
	d, err = command.DisableOrganization(s, "acme", "default", []events.Position{7}, true)
	refused(t, d, err, command.KindPrecondition)
	d, err = command.DisableOrganization(s, "none", "default", nil, true)
	refused(t, d, err, command.KindNotFound)

	s = given(t, acme(), in("acme", &events.OrganizationDisabled{ID: "acme"}))
	d, err = command.DisableOrganization(s, "acme", "default", nil, false)
	then(t, d, err, 1, &events.OrganizationEnabled{ID: "acme"})
}

func TestDisabledClientsDoNotAuthenticate(t *testing.T) {
	public := in("acme", &events.ApplicationCreated{ID: "p1", ClientID: "app_p1"})
	service := []happened{
		in("acme", &events.ServiceCreated{ID: "s1", AuthType: events.AuthOAuth}),
		in("acme", &events.ServiceCredentialAdded{ID: "s1", ClientID: "svc_1", Secret: digest(1)}),
	}
	began := append([]happened{acme(), application("a1"), public}, service...)
	for name, c := range map[string]struct {
		history     []happened
		a1, p1, svc bool
	}{
		"nothing":                       {nil, true, true, true},
		"an application":                {[]happened{in("acme", &events.ApplicationDisabled{ID: "a1"})}, false, true, true},
		"a public client":               {[]happened{in("acme", &events.ApplicationDisabled{ID: "p1"})}, true, false, true},
		"the organization":              {[]happened{in("acme", &events.OrganizationDisabled{ID: "acme"})}, false, false, false},
		"by another organization":       {[]happened{in("other", &events.ApplicationDisabled{ID: "a1"}), in("other", &events.OrganizationDisabled{ID: "acme"})}, true, true, true},
		"an application, enabled again": {[]happened{in("acme", &events.ApplicationDisabled{ID: "a1"}), in("acme", &events.ApplicationEnabled{ID: "a1"})}, true, true, true},
		"the organization, enabled again": {
			[]happened{in("acme", &events.OrganizationDisabled{ID: "acme"}), in("acme", &events.OrganizationEnabled{ID: "acme"})}, true, true, true,
		},
	} {
		s := given(t, append(append([]happened{}, began...), c.history...)...)
		for _, client := range []struct {
			id     string
			secret *events.SecretDigest
			want   bool
		}{{"app_a1", digest(1), c.a1}, {"app_p1", nil, c.p1}, {"svc_1", digest(1), c.svc}} {
			if _, err := command.AuthenticateClient(s, start, client.id, client.secret); (err == nil) != client.want || err != nil && !errors.Is(err, command.ErrInvalidClient) {
				t.Errorf("%s disabled: %s gets %v", name, client.id, err)
			}
		}
	}
}
