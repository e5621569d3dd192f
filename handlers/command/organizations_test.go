package command_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
)

func TestCreateOrganization(t *testing.T) {
	d, err := command.CreateOrganization(given(t), command.NewOrganization{ID: "acme", Name: "Acme"})
	then(t, d, err, 0, &events.OrganizationCreated{ID: "acme", Name: "Acme"})

	scopes := []events.Scope{{Name: "read", Routes: []string{"GET /api/v1/customers/*", "POST /*", "PUT /"}}}
	d, err = command.CreateOrganization(given(t), command.NewOrganization{
		ID: "acme", Name: "Acme", PartnerID: "10000", Limits: events.Limits{PerHour: 1}, Scopes: scopes,
	})
	then(t, d, err, 0,
		&events.OrganizationCreated{ID: "acme", Name: "Acme", PartnerID: "10000", Limits: events.Limits{PerHour: 1}},
		&events.ScopesSet{ID: "acme", Scopes: scopes})
}

func TestCreateOrganizationRefusals(t *testing.T) {
	taken := in("other", &events.OrganizationCreated{ID: "other", Name: "Other", PartnerID: "10000"})
	for name, c := range map[string]struct {
		in   command.NewOrganization
		kind command.Kind
	}{
		"empty id":        {command.NewOrganization{}, command.KindInvalid},
		"upper case id":   {command.NewOrganization{ID: "Acme"}, command.KindInvalid},
		"id with a dot":   {command.NewOrganization{ID: "a.b"}, command.KindInvalid},
		"id with a star":  {command.NewOrganization{ID: "*"}, command.KindInvalid},
		"id with newline": {command.NewOrganization{ID: "acme\n"}, command.KindInvalid},
		"id of 41":        {command.NewOrganization{ID: strings.Repeat("a", 41)}, command.KindInvalid},
		"no name":         {command.NewOrganization{ID: "acme"}, command.KindInvalid},
		"bad name":        {command.NewOrganization{ID: "acme", Name: "\x00"}, command.KindInvalid},
		"bad partner":     {command.NewOrganization{ID: "acme", Name: "Acme", PartnerID: "a b"}, command.KindInvalid},
		"bad limits":      {command.NewOrganization{ID: "acme", Name: "Acme", Limits: events.Limits{PerHour: -1}}, command.KindInvalid},
		"taken id":        {command.NewOrganization{ID: "other", Name: "Other"}, command.KindConflict},
		"taken partner":   {command.NewOrganization{ID: "acme", Name: "Acme", PartnerID: "10000"}, command.KindConflict},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := command.CreateOrganization(given(t, taken), c.in)
			refused(t, d, err, c.kind)
		})
	}
}

func TestSetScopes(t *testing.T) {
	s := given(t, acme(), catalogue("read"))
	scopes := []events.Scope{{Name: "write", Description: "Write", Routes: []string{"PUT /x"}}}
	d, err := command.SetScopes(s, "acme", nil, scopes)
	then(t, d, err, 2, &events.ScopesSet{ID: "acme", Scopes: scopes})

	d, err = command.SetScopes(s, "acme", nil, nil)
	then(t, d, err, 2, &events.ScopesSet{ID: "acme", Scopes: []events.Scope{}})

	d, err = command.SetScopes(s, "none", nil, scopes)
	refused(t, d, err, command.KindNotFound)
}

func TestSetScopesRefusals(t *testing.T) {
	route := func(r string) []events.Scope { return []events.Scope{{Name: "read", Routes: []string{r}}} }
	for name, scopes := range map[string][]events.Scope{
		"no name":          {{}},
		"a space":          {{Name: "a b"}},
		"management scope": {{Name: "grantlog:admin"}},
		"openid":           {{Name: "openid"}},
		"repetition":       {{Name: "read"}, {Name: "read"}},
		"description":      {{Name: "read", Description: "\x00"}},
		"1001 scopes":      make([]events.Scope, 1001),
		"101 routes":       {{Name: "read", Routes: slices.Repeat([]string{"GET /"}, 101)}},
		"no method":        route("/x"),
		"no path":          route("GET"),
		"empty method":     route(" /x"),
		"lower method":     route("get /x"),
		"relative path":    route("GET x"),
		"star inside":      route("GET /a/*/b"),
		"star in segment":  route("GET /a*"),
		"query":            route("GET /a?b"),
		"fragment":         route("GET /a#b"),
		"backslash":        route(`GET /a\b`),
		"two spaces":       route("GET  /a"),
		"control":          route("GET /a\x00"),
		"long":             route("GET /" + strings.Repeat("a", 512)),
	} {
		t.Run(name, func(t *testing.T) {
			d, err := command.SetScopes(given(t, acme()), "acme", nil, scopes)
			refused(t, d, err, command.KindInvalid)
		})
	}
}

func administrator() command.Administrator {
	return command.Administrator{Organization: "default", ID: "a1", ClientID: "app_1", Secret: *digest(7)}
}

func TestBootstrapIsOneRecordOnItsOwnSubject(t *testing.T) {
	d, err := command.Bootstrap(given(t), administrator())
	then(t, d, err, 0,
		&events.OrganizationCreated{ID: "default", Name: "default"},
		&events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: digest(7), ApplicationSettings: events.ApplicationSettings{
			Name: "Administrator", Scopes: command.ManagementScopes,
		}})
	if d.Subject != events.BootstrapSubject() || d.Organization != "default" {
		t.Errorf("subject %q, organization %q", d.Subject, d.Organization)
	}

	s := given(t)
	for i, data := range d.Events {
		apply(t, s, d.Subject, 1, i, in(d.Organization, data))
	}
	if !command.HasAdministrator(s) {
		t.Fatal("no administrator after the bootstrap")
	}
	again, err := command.Bootstrap(s, administrator())
	refused(t, again, err, command.KindConflict)

	// Edits of what came with the bootstrap are guarded by their own subjects,
	// which are still empty.
	update, err := command.UpdateApplication(s, command.Target{Organization: "default", ID: "a1"}, nil, command.Settings{Name: ptr("Boss")})
	then(t, update, err, 0, &events.ApplicationUpdated{ID: "a1", ApplicationSettings: events.ApplicationSettings{
		Name: "Boss", Scopes: command.ManagementScopes,
	}})
	scopes, err := command.SetScopes(s, "default", nil, []events.Scope{{Name: "read"}})
	then(t, scopes, err, 0, &events.ScopesSet{ID: "default", Scopes: []events.Scope{{Name: "read"}}})
}

func TestBootstrapRefusals(t *testing.T) {
	d, err := command.Bootstrap(given(t, acme(), application("a9", "grantlog:admin")), administrator())
	refused(t, d, err, command.KindConflict)

	d, err = command.Bootstrap(given(t, in("default", &events.OrganizationCreated{ID: "default", Name: "x"})), administrator())
	refused(t, d, err, command.KindConflict)

	bad := administrator()
	bad.ID = "a.*"
	d, err = command.Bootstrap(given(t), bad)
	refused(t, d, err, command.KindInvalid)
}

func TestEnsureOrganizationAppendsOnlyWhatDiffers(t *testing.T) {
	full := command.NewOrganization{
		ID: "acme", Name: "Acme", PartnerID: "1", Limits: events.Limits{PerHour: 2},
		Scopes: []events.Scope{{Name: "read", Routes: []string{}}},
	}
	created, err := command.EnsureOrganization(given(t), full)
	if err != nil || len(created.Events) != 2 {
		t.Fatalf("%d events, %v", len(created.Events), err)
	}
	s := given(t, in("acme", created.Events[0]), in("acme", created.Events[1]))

	for name, same := range map[string]command.NewOrganization{
		"all of it":   full,
		"the id only": {ID: "acme"},
	} {
		if _, err := command.EnsureOrganization(s, same); !errors.Is(err, command.ErrUnchanged) {
			t.Errorf("%s: %v, want ErrUnchanged", name, err)
		}
	}

	renamed := command.NewOrganization{ID: "acme", Name: "New"}
	d, err := command.EnsureOrganization(s, renamed)
	then(t, d, err, 2, &events.OrganizationUpdated{ID: "acme", Name: "New", PartnerID: "1", Limits: events.Limits{PerHour: 2}})

	extended := command.NewOrganization{ID: "acme", Scopes: []events.Scope{{Name: "read"}, {Name: "write"}}}
	d, err = command.EnsureOrganization(s, extended)
	then(t, d, err, 2, &events.ScopesSet{ID: "acme", Scopes: extended.Scopes})

	d, err = command.EnsureOrganization(s, command.NewOrganization{ID: "acme", Name: "\x00"})
	refused(t, d, err, command.KindInvalid)
}

func TestEnsureApplication(t *testing.T) {
	seeded := command.NewApplication{
		Target: target("a1", command.ScopeAdmin), ClientID: "app_a1", Secret: digest(1),
		Settings: command.Settings{Name: ptr("An application"), Scopes: []string{"read"}},
	}
	d, err := command.EnsureApplication(given(t, acme()), seeded)
	then(t, d, err, 0, &events.ApplicationCreated{ID: "a1", ClientID: "app_a1", Secret: digest(1), ApplicationSettings: events.ApplicationSettings{
		Name: "An application", Scopes: []string{"read"},
	}})

	s := given(t, acme(), application("a1", "read"))
	if _, err := command.EnsureApplication(s, seeded); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("%v, want ErrUnchanged", err)
	}

	changed := seeded
	changed.Settings.Scopes = []string{"read", "events:read"}
	d, err = command.EnsureApplication(s, changed)
	then(t, d, err, 2, &events.ApplicationUpdated{ID: "a1", ApplicationSettings: events.ApplicationSettings{
		Name: "An application", Scopes: []string{"read", "events:read"},
	}})

	// A secret that was rotated does not come back.
	s = given(t, acme(), application("a1", "read"), in("acme", &events.SecretRotated{ID: "a1", Secret: digest(2)}))
	if _, err := command.EnsureApplication(s, seeded); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("%v, want ErrUnchanged", err)
	}
}

func TestEnsureApplicationConflicts(t *testing.T) {
	seeded := command.NewApplication{
		Target: target("new", command.ScopeAdmin), ClientID: "app_x", Secret: digest(1),
		Settings: command.Settings{Name: ptr("x")},
	}
	for name, owner := range map[string]happened{
		"another organization's": in("other", &events.ApplicationCreated{ID: "x", ClientID: "app_x", Secret: digest(1)}),
		"a public client":        in("acme", &events.ApplicationCreated{ID: "x", ClientID: "app_x"}),
	} {
		t.Run(name, func(t *testing.T) {
			d, err := command.EnsureApplication(given(t, acme(), owner), seeded)
			refused(t, d, err, command.KindConflict)
		})
	}
}
