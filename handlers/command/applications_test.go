package command_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
)

func target(id string, held ...string) command.Target {
	return command.Target{Organization: "acme", ID: id, Held: held}
}

func registration(settings command.Settings, held ...string) command.NewApplication {
	if settings.Name == nil {
		settings.Name = ptr("Integration")
	}
	return command.NewApplication{
		Target: target("a2", held...), ClientID: "app_2", Secret: digest(2), Settings: settings,
	}
}

// many returns n different strings.
func many(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = prefix + strconv.Itoa(i)
	}
	return list
}

func TestCreateApplicationRecordsWhatWasChosen(t *testing.T) {
	s := given(t, acme(), catalogue("read:customers"))

	d, err := command.CreateApplication(s, registration(command.Settings{
		Name: ptr("Production"), Description: ptr("two\nlines"), Scopes: []string{"read:customers", "openid"},
		TokenLifetime: ptr(60), SigningAlg: ptr("EdDSA"), Audience: ptr("https://api.example.com"),
		Limits: &events.Limits{PerMinute: 5}, GrantTypes: []string{"client_credentials"},
		RedirectURIs: []string{"https://app.example.com/cb", "http://127.0.0.1:7777/cb"},
	}))

	then(t, d, err, 0, &events.ApplicationCreated{
		ID: "a2", ClientID: "app_2", Secret: digest(2),
		ApplicationSettings: events.ApplicationSettings{
			Name: "Production", Description: "two\nlines", Scopes: []string{"read:customers", "openid"},
			TokenLifetime: 60, SigningAlg: "EdDSA", Audience: "https://api.example.com",
			Limits: events.Limits{PerMinute: 5}, GrantTypes: []string{"client_credentials"},
			RedirectURIs: []string{"https://app.example.com/cb", "http://127.0.0.1:7777/cb"},
		},
	})
}

func TestCreateApplicationWithNameAlone(t *testing.T) {
	d, err := command.CreateApplication(given(t, acme()), registration(command.Settings{}))
	then(t, d, err, 0, &events.ApplicationCreated{
		ID: "a2", ClientID: "app_2", Secret: digest(2),
		ApplicationSettings: events.ApplicationSettings{Name: "Integration", Scopes: []string{}},
	})
}

func TestCreateApplicationRefusals(t *testing.T) {
	for name, settings := range map[string]command.Settings{
		"empty name":             {Name: ptr("")},
		"blank name":             {Name: ptr(" \u00a0")},
		"long name":              {Name: ptr(strings.Repeat("ä", 201))},
		"line break in name":     {Name: ptr("a\nb")},
		"NUL in name":            {Name: ptr("a\x00b")},
		"name not UTF-8":         {Name: ptr("a\xffb")},
		"long description":       {Description: ptr(strings.Repeat("x", 2001))},
		"escape in description":  {Description: ptr("\x1b[31m")},
		"scope with a space":     {Scopes: []string{"a b"}},
		"empty scope":            {Scopes: []string{""}},
		"scope with a quote":     {Scopes: []string{`a"b`}},
		"repeated scope":         {Scopes: []string{"read", "read"}},
		"scope not in catalogue": {Scopes: []string{"write"}},
		"101 scopes":             {Scopes: many("s", 101)},
		"lifetime -1":            {TokenLifetime: ptr(-1)},
		"lifetime 0":             {TokenLifetime: ptr(0)},
		"lifetime 59":            {TokenLifetime: ptr(59)},
		"lifetime 86401":         {TokenLifetime: ptr(86401)},
		"alg none":               {SigningAlg: ptr("none")},
		"alg HS256":              {SigningAlg: ptr("HS256")},
		"alg empty":              {SigningAlg: ptr("")},
		"long audience":          {Audience: ptr(strings.Repeat("x", 513))},
		"NUL in audience":        {Audience: ptr("a\x00")},
		"negative limit":         {Limits: &events.Limits{PerHour: -1}},
		"huge limit":             {Limits: &events.Limits{PerMinute: 1_000_000_001}},
		"unknown grant type":     {GrantTypes: []string{"implicit"}},
		"repeated grant type":    {GrantTypes: []string{"password", "password"}},
		"redirect to http":       {RedirectURIs: []string{"http://example.com/cb"}},
		"repeated redirect":      {RedirectURIs: []string{"https://a.example/", "https://a.example/"}},
		"21 redirects":           {RedirectURIs: many("https://a.example/", 21)},
	} {
		t.Run(name, func(t *testing.T) {
			s := given(t, acme(), catalogue("read"))
			d, err := command.CreateApplication(s, registration(settings, command.ScopeAdmin))
			refused(t, d, err, command.KindInvalid)
		})
	}
}

func TestCreateApplicationAtTheBounds(t *testing.T) {
	for name, settings := range map[string]command.Settings{
		"200 characters":  {Name: ptr(strings.Repeat("ä", 200))},
		"shortest life":   {TokenLifetime: ptr(60)},
		"longest life":    {TokenLifetime: ptr(86400)},
		"no limits":       {Limits: &events.Limits{}},
		"later grants":    {GrantTypes: []string{"password", "refresh_token"}},
		"20 redirects":    {RedirectURIs: many("https://a.example/", 20)},
		"100 scopes":      {Scopes: many("s", 100)},
		"empty audience":  {Audience: ptr("")},
		"any scope token": {Scopes: []string{"!#[]~:"}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := command.CreateApplication(given(t, acme()), registration(settings)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestManagementScopesAreGivenByTheirHoldersOnly(t *testing.T) {
	for _, c := range []struct {
		name  string
		held  []string
		scope string
		ok    bool
	}{
		{"not held", []string{"applications:write"}, "tokens:introspect", false},
		{"admin not held", command.ManagementScopes[1:], "grantlog:admin", false},
		{"held", []string{"applications:write", "tokens:introspect"}, "tokens:introspect", true},
		{"administrator", []string{"grantlog:admin"}, "events:read", true},
		{"nobody", nil, "applications:read", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, history := range [][]happened{{acme()}, {acme(), catalogue("read")}} {
				in := registration(command.Settings{Scopes: []string{c.scope}}, c.held...)
				d, err := command.CreateApplication(given(t, history...), in)
				if !c.ok {
					refused(t, d, err, command.KindForbidden)
				} else if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestCreateApplicationNeedsItsOrganizationAndAFreeClientID(t *testing.T) {
	d, err := command.CreateApplication(given(t), registration(command.Settings{}))
	refused(t, d, err, command.KindNotFound)

	d, err = command.CreateApplication(given(t, acme(), application("2")), registration(command.Settings{}))
	refused(t, d, err, command.KindConflict)

	for _, clientID := range []string{"", "a b", "a\n", "ä", strings.Repeat("x", 129)} {
		in := registration(command.Settings{})
		in.ClientID = clientID
		d, err = command.CreateApplication(given(t, acme()), in)
		refused(t, d, err, command.KindInvalid)
	}
	for _, id := range []string{"", "a.b", "*", ">", "a b", "$JS", "../x", strings.Repeat("x", 10_000)} {
		in := registration(command.Settings{})
		in.ID = id
		d, err = command.CreateApplication(given(t, acme()), in)
		refused(t, d, err, command.KindInvalid)
	}
}

func TestPublicClientHasNoClientCredentials(t *testing.T) {
	in := registration(command.Settings{GrantTypes: []string{"client_credentials"}})
	in.Secret = nil
	d, err := command.CreateApplication(given(t, acme()), in)
	refused(t, d, err, command.KindInvalid)

	in.Settings.GrantTypes = []string{"password"}
	d, err = command.CreateApplication(given(t, acme()), in)
	then(t, d, err, 0, &events.ApplicationCreated{ID: "a2", ClientID: "app_2", ApplicationSettings: events.ApplicationSettings{
		Name: "Integration", Scopes: []string{}, GrantTypes: []string{"password"},
	}})
}

func TestUpdateApplicationChangesWhatIsGiven(t *testing.T) {
	s := given(t, acme(), application("a1", "read"))

	d, err := command.UpdateApplication(s, target("a1"), nil, command.Settings{Description: ptr("New"), TokenLifetime: ptr(120)})

	then(t, d, err, 2, &events.ApplicationUpdated{ID: "a1", ApplicationSettings: events.ApplicationSettings{
		Name: "An application", Description: "New", Scopes: []string{"read"}, TokenLifetime: 120,
	}})
	if app, _ := s.Applications.Get("a1"); app.Description != "" {
		t.Error("the decision changed the state")
	}
}

func TestUpdateApplicationCanEmptyLists(t *testing.T) {
	s := given(t, acme(), application("a1", "read"))
	d, err := command.UpdateApplication(s, target("a1"), nil, command.Settings{Scopes: []string{}, GrantTypes: []string{}})
	then(t, d, err, 2, &events.ApplicationUpdated{ID: "a1", ApplicationSettings: events.ApplicationSettings{
		Name: "An application", Scopes: []string{},
	}})
}

func TestUpdateApplicationKeepsScopesItHad(t *testing.T) {
	s := given(t, acme(), application("a1", "old", "tokens:introspect"), catalogue("read"))

	d, err := command.UpdateApplication(s, target("a1"), nil, command.Settings{Scopes: []string{"tokens:introspect", "old", "read"}})
	then(t, d, err, 2, &events.ApplicationUpdated{ID: "a1", ApplicationSettings: events.ApplicationSettings{
		Name: "An application", Scopes: []string{"tokens:introspect", "old", "read"},
	}})

	d, err = command.UpdateApplication(s, target("a1"), nil, command.Settings{Scopes: []string{"gone"}})
	refused(t, d, err, command.KindInvalid)
	d, err = command.UpdateApplication(s, target("a1"), nil, command.Settings{Scopes: []string{"events:read"}})
	refused(t, d, err, command.KindForbidden)
}

func TestUpdateApplicationHonoursIfMatch(t *testing.T) {
	s := given(t, acme(), application("a1"), in("acme", &events.ApplicationUpdated{
		ID: "a1", ApplicationSettings: events.ApplicationSettings{Name: "Renamed"},
	}))
	chosen := command.Settings{Name: ptr("Mine")}

	for _, expected := range [][]events.Position{{2}, {}, {4}, {1, 2}} {
		d, err := command.UpdateApplication(s, target("a1"), expected, chosen)
		refused(t, d, err, command.KindPrecondition)
	}
	for _, expected := range [][]events.Position{nil, {3}, {2, 3}} {
		d, err := command.UpdateApplication(s, target("a1"), expected, chosen)
		then(t, d, err, 3, &events.ApplicationUpdated{ID: "a1", ApplicationSettings: events.ApplicationSettings{
			Name: "Mine", Scopes: []string{},
		}})
	}
}

func TestRotateSecret(t *testing.T) {
	now := start.Add(90*time.Minute + 123*time.Nanosecond)
	s := given(t, acme(), application("a1", "read"))

	d, err := command.RotateSecret(s, now, target("a1"), *digest(2), 0)
	then(t, d, err, -1, &events.SecretRotated{ID: "a1", ClientID: "app_a1", Secret: digest(2)})

	d, err = command.RotateSecret(s, now, target("a1"), *digest(2), command.MaxOverlap)
	then(t, d, err, -1, &events.SecretRotated{
		ID: "a1", ClientID: "app_a1", Secret: digest(2), EndsAt: start.Add(90*time.Minute + 30*24*time.Hour),
	})

	for _, overlap := range []time.Duration{-1, command.MaxOverlap + 1} {
		d, err = command.RotateSecret(s, now, target("a1"), *digest(2), overlap)
		refused(t, d, err, command.KindInvalid)
	}
}

func TestRotateSecretRefusals(t *testing.T) {
	public := in("acme", &events.ApplicationCreated{
		ID: "p1", ClientID: "app_p1", ApplicationSettings: events.ApplicationSettings{Name: "Public"},
	})
	s := given(t, acme(), public, application("boss", "read", "grantlog:admin"))

	d, err := command.RotateSecret(s, start, target("p1", "grantlog:admin"), *digest(2), 0)
	refused(t, d, err, command.KindInvalid)

	// Whoever sets a secret holds what the secret opens.
	d, err = command.RotateSecret(s, start, target("boss", "applications:write"), *digest(2), 0)
	refused(t, d, err, command.KindForbidden)
	if _, err = command.RotateSecret(s, start, target("boss", "grantlog:admin"), *digest(2), 0); err != nil {
		t.Error(err)
	}
}

func TestEndings(t *testing.T) {
	s := given(t, acme(), application("a1"))

	d, err := command.DeleteApplication(s, target("a1"))
	then(t, d, err, -1, &events.ApplicationDeleted{ID: "a1", ClientID: "app_a1"})

	d, err = command.RevokeApplicationTokens(s, target("a1"), command.ReasonAdministrator)
	then(t, d, err, -1, &events.ApplicationTokensRevoked{ID: "a1", ClientID: "app_a1", Reason: command.ReasonAdministrator})
}

func TestAnApplicationOfAnotherOrganizationIsNotFound(t *testing.T) {
	other := in("other", &events.ApplicationCreated{ID: "x1", ClientID: "app_x1", Secret: digest(1)})
	s := given(t, acme(), in("other", &events.OrganizationCreated{ID: "other", Name: "Other"}), other, application("a1"),
		in("acme", &events.ApplicationDeleted{ID: "a1", ClientID: "app_a1"}))

	for _, id := range []string{"x1", "a1", "none", "", "*", "\x00"} {
		to := target(id, command.ScopeAdmin)
		d, err := command.UpdateApplication(s, to, nil, command.Settings{})
		refused(t, d, err, command.KindNotFound)
		d, err = command.RotateSecret(s, start, to, *digest(2), 0)
		refused(t, d, err, command.KindNotFound)
		d, err = command.RevokeApplicationTokens(s, to, "")
		refused(t, d, err, command.KindNotFound)
		d, err = command.DeleteApplication(s, to)
		refused(t, d, err, command.KindNotFound)
	}
}

func TestRevokeTokenByID(t *testing.T) {
	live, over, revoked := events.TokenID{1}, events.TokenID{2}, events.TokenID{3}
	issued := func(id events.TokenID, seconds int64) happened {
		return in("acme", &events.TokenIssued{
			ID: id, Application: "a1", Secret: 1, Grant: "client_credentials",
			IssuedAt: start.Unix(), ExpiresAt: start.Unix() + seconds,
		})
	}
	now := start.Add(time.Minute)
	s := given(t, acme(), application("a1"), issued(live, 3600), issued(over, 30), issued(revoked, 3600),
		in("acme", &events.TokenRevoked{ID: revoked, Application: "a1"}))

	for _, organization := range []string{"acme", ""} {
		d, err := command.RevokeTokenByID(s, now, organization, live, command.ReasonAdministrator)
		then(t, d, err, -1, &events.TokenRevoked{ID: live, Application: "a1", Reason: command.ReasonAdministrator})
	}
	d, err := command.RevokeTokenByID(s, now, "other", live, "")
	refused(t, d, err, command.KindNotFound)
	for _, id := range []events.TokenID{over, revoked, {4}} {
		d, err := command.RevokeTokenByID(s, now, "acme", id, "")
		refused(t, d, err, command.KindNotFound)
	}
}
