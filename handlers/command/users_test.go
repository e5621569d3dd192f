package command_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

var agentTarget = command.Target{Organization: "acme", ID: "u1"}

func profile(handle, role string) events.UserProfile {
	return events.UserProfile{Handle: handle, Email: []byte("sealed " + handle), Role: role, SiteID: 7}
}

func user(id, handle string) happened {
	return in("acme", &events.UserCreated{ID: id, UserProfile: profile(handle, "AGENT"), Password: []byte("sealed hash")})
}

func newUser(id, handle string, revision events.Position, holders ...string) command.NewUser {
	return command.NewUser{
		Organization: "acme", ID: id, Profile: profile(handle, "AGENT"), Password: []byte("sealed hash"),
		Lookup: command.Lookup{Revision: revision, Handles: holders},
	}
}

func TestCreateUser(t *testing.T) {
	s := given(t, acme())
	d, err := command.CreateUser(s, newUser("u1", "h1", 0))
	then(t, d, err, 0, user("u1", "h1").data)

	s = given(t, acme(), user("u1", "h1"))
	d, err = command.CreateUser(s, newUser("u2", "h2", 2))
	then(t, d, err, 2, user("u2", "h2").data)
	d, err = command.CreateUser(s, newUser("u2", "h2", 2, "h9", "h2")) // handles of nobody
	then(t, d, err, 2, user("u2", "h2").data)

	foreign := newUser("u2", "h2", 0)
	foreign.Organization = "globex"
	d, err = command.CreateUser(s, foreign)
	refused(t, d, err, command.KindNotFound)
}

func TestAnAddressHasOneUser(t *testing.T) {
	taken := given(t, acme(), user("u1", "h1"), in("acme", &events.UserDisabled{ID: "u1"}))
	_, err := command.CreateUser(taken, newUser("u2", "h2", 2, "h1"))
	if !errors.Is(err, command.ErrEmailTaken) {
		t.Errorf("a second user: %v", err)
	}
	deleted := given(t, acme(), user("u1", "h1"), in("acme", &events.UserDeleted{ID: "u1"}))
	d, err := command.CreateUser(deleted, newUser("u2", "h2", 2, "h1"))
	then(t, d, err, 2, user("u2", "h2").data)

	elsewhere := given(t, acme(), in("globex", &events.OrganizationCreated{ID: "globex"}), user("u1", "h1"))
	other := newUser("u2", "h2", 0, "h1")
	other.Organization = "globex"
	if _, err = command.CreateUser(elsewhere, other); err != nil {
		t.Errorf("another organization's user: %v", err)
	}

	// What was looked up before the users changed decides nothing.
	for _, known := range []events.Position{0, 1, 3} {
		if _, err := command.CreateUser(taken, newUser("u2", "h2", known)); !errors.Is(err, command.ErrMoved) {
			t.Errorf("at revision %d: %v", known, err)
		}
	}
}

func TestUserBounds(t *testing.T) {
	s := given(t, acme())
	for name, p := range map[string]events.UserProfile{
		"role of 65":       {Role: strings.Repeat("é", 65)},
		"role with NUL":    {Role: "a\x00"},
		"role not Unicode": {Role: "\xff"},
		"site -1":          {SiteID: -1},
		"site 2^53":        {SiteID: 1 << 53},
	} {
		in := newUser("u1", "h1", 0)
		in.Profile = p
		d, err := command.CreateUser(s, in)
		if refused(t, d, err, command.KindInvalid); err == nil {
			t.Error(name)
		}
	}
	if err := command.CheckProfile(events.UserProfile{Role: strings.Repeat("é", 64), SiteID: 1<<53 - 1}); err != nil {
		t.Error(err)
	}
	for _, good := range []string{
		"agent@example.com", "Agent+tag@Example.COM", "a@b", "jürgen@exämple.de", "o'neil@example.com",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 93) + "com",
	} {
		if err := command.CheckEmail(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "agent", "@example.com", "agent@", "a@b@c", "Agent <agent@example.com>", "agent@example.com (me)", " agent@example.com",
		"agent@example.com\n", "agent@example.com\r\nBcc: x@y", "a b@c", "agent@example.com, b@c", "<agent@example.com>", "a\x00@b", "\xff@b",
		strings.Repeat("a", 250) + "@b.cd",
	} {
		if err := command.CheckEmail(bad); !errors.Is(err, &command.Error{Kind: command.KindInvalid}) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for length, good := range map[int]bool{0: false, 7: false, 8: true, 1024: true, 1025: false} {
		if err := command.CheckPassword(strings.Repeat("x", length)); (err == nil) != good {
			t.Errorf("password of %d bytes: %v", length, err)
		}
	}
}

func TestUpdateUser(t *testing.T) {
	s := given(t, acme(), user("u1", "h1"), user("u2", "h2"), in("acme", &events.UserDisabled{ID: "u1"}))
	updated := func(p events.UserProfile) events.Data { return &events.UserUpdated{ID: "u1", UserProfile: p} }

	d, err := command.UpdateUser(s, agentTarget, nil, command.UserSettings{Role: ptr("ADMIN")})
	then(t, d, err, 3, updated(profile("h1", "ADMIN")))
	d, err = command.UpdateUser(s, agentTarget, []events.Position{9, 4}, command.UserSettings{SiteID: ptr(int64(0))})
	want := profile("h1", "AGENT")
	want.SiteID = 0
	then(t, d, err, 3, updated(want))

	address := func(handle, former string, revision events.Position, holders ...string) command.UserSettings {
		return command.UserSettings{Email: &command.NewEmail{
			Sealed: []byte("sealed " + handle), Handle: handle, Former: former,
			Lookup: command.Lookup{Revision: revision, Handles: holders},
		}}
	}
	d, err = command.UpdateUser(s, agentTarget, nil, address("h3", "h1", 3))
	then(t, d, err, 3, updated(profile("h3", "AGENT")))
	d, err = command.UpdateUser(s, agentTarget, nil, address("h1", "h1", 3, "h1")) // another spelling
	then(t, d, err, 3, updated(profile("h1", "AGENT")))
	if _, err = command.UpdateUser(s, agentTarget, nil, address("h3", "h1", 3, "h2")); !errors.Is(err, command.ErrEmailTaken) {
		t.Errorf("another user's address: %v", err)
	}
	if _, err = command.UpdateUser(s, agentTarget, nil, address("h3", "h1", 2)); !errors.Is(err, command.ErrMoved) {
		t.Errorf("looked up before: %v", err)
	}
	d, err = command.UpdateUser(s, agentTarget, nil, address("h3", "h0", 3))
	refused(t, d, err, command.KindConflict)

	for name, chosen := range map[string]command.UserSettings{"nothing": {}, "the same": {Role: ptr("AGENT"), SiteID: ptr(int64(7))}} {
		if _, err := command.UpdateUser(s, agentTarget, nil, chosen); !errors.Is(err, command.ErrUnchanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err = command.UpdateUser(s, agentTarget, []events.Position{3}, command.UserSettings{})
	refused(t, d, err, command.KindPrecondition)
	d, err = command.UpdateUser(s, agentTarget, nil, command.UserSettings{SiteID: ptr(int64(-1))})
	refused(t, d, err, command.KindInvalid)
	d, err = command.UpdateUser(s, command.Target{Organization: "globex", ID: "u1"}, nil, command.UserSettings{})
	refused(t, d, err, command.KindNotFound)
}

func TestEndingsOfUsers(t *testing.T) {
	s := given(t, acme(), user("u1", "h1"))
	d, err := command.SetPassword(s, agentTarget, []byte("new"))
	then(t, d, err, -1, &events.UserPasswordChanged{ID: "u1", Password: []byte("new")})
	d, err = command.SetDisabled(s, agentTarget, true)
	then(t, d, err, -1, &events.UserDisabled{ID: "u1"})
	if _, err = command.SetDisabled(s, agentTarget, false); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("enabled already: %v", err)
	}
	d, err = command.DeleteUser(s, agentTarget)
	then(t, d, err, -1, &events.UserDeleted{ID: "u1"})

	s = given(t, acme(), user("u1", "h1"), in("acme", &events.UserDisabled{ID: "u1"}))
	d, err = command.SetDisabled(s, agentTarget, false)
	then(t, d, err, 2, &events.UserEnabled{ID: "u1"})

	for _, target := range []command.Target{{Organization: "globex", ID: "u1"}, {Organization: "acme", ID: "u2"}} {
		d, err = command.SetPassword(s, target, nil)
		refused(t, d, err, command.KindNotFound)
		d, err = command.SetDisabled(s, target, true)
		refused(t, d, err, command.KindNotFound)
		d, err = command.DeleteUser(s, target)
		refused(t, d, err, command.KindNotFound)
	}
}

func TestConfirmErasure(t *testing.T) {
	s := given(t, acme(), user("u1", "h1"), in("acme", &events.UserDeleted{ID: "u1"}))
	d, err := command.ConfirmErasure(s, "h1")
	then(t, d, err, 2, &events.UserErased{ID: "u1", Handle: "h1"})
	s = given(t, acme(), user("u1", "h1"), in("acme", &events.UserDeleted{ID: "u1"}), in("acme", &events.UserErased{ID: "u1", Handle: "h1"}))
	if _, err := command.ConfirmErasure(s, "h1"); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("confirmed already: %v", err)
	}
}

func passwordClient(public bool, grants ...string) happened {
	d := &events.ApplicationCreated{ID: "a1", ClientID: "datasync", ApplicationSettings: events.ApplicationSettings{
		Name: "Datasync", Scopes: []string{"ids.scope", "openid"}, GrantTypes: grants,
	}}
	if !public {
		d.Secret = digest(1)
	}
	return in("acme", d)
}

func TestPasswordClient(t *testing.T) {
	partner := in("acme", &events.OrganizationCreated{ID: "acme", PartnerID: "10000"})
	for _, c := range []struct {
		name               string
		history            []happened
		partner, requested string
		scope              string
		kind               command.Kind
	}{
		{"all scopes", []happened{partner, passwordClient(true, "password")}, "10000", "", "ids.scope openid", 0},
		{"narrowed", []happened{partner, passwordClient(false, "client_credentials", "password")}, "10000", "openid", "openid", 0},
		{"more than it has", []happened{partner, passwordClient(true, "password")}, "10000", "admin", "", command.KindInvalidScope},
		{"another partner", []happened{partner, passwordClient(true, "password")}, "10001", "", "", command.KindInvalid},
		{"no partner", []happened{acme(), passwordClient(true, "password")}, "", "", "", command.KindInvalid},
		{"not allowed", []happened{partner, passwordClient(false, "client_credentials")}, "10000", "", "", command.KindUnauthorizedClient},
		{"not allowed by default", []happened{partner, passwordClient(true)}, "10000", "", "", command.KindUnauthorizedClient},
	} {
		s := given(t, c.history...)
		app, _ := s.Applications.Get("a1")
		scope, err := command.PasswordClient(s, command.Client{Application: app}, c.partner, c.requested)
		if scope != c.scope || (c.kind == 0) != (err == nil) || c.kind != 0 && !errors.Is(err, &command.Error{Kind: c.kind}) {
			t.Errorf("%s: %q, %v", c.name, scope, err)
		}
	}
	s := given(t, partner, service(quotes, "oauth"), credential(quotes, "svc_1"))
	quotes, _ := s.Services.Get(quotes)
	if _, err := command.PasswordClient(s, command.Client{Service: quotes, Credential: "svc_1"}, "10000", ""); !errors.Is(err, &command.Error{Kind: command.KindUnauthorizedClient}) {
		t.Errorf("a service's credential: %v", err)
	}
}

func TestPasswordGrant(t *testing.T) {
	s := given(t, acme(), user("u1", "h1"), in("acme", &events.UserPasswordChanged{ID: "u1"}), passwordClient(true, "password"))
	app, _ := s.Applications.Get("a1")
	u, _ := s.Users.Get("u1")
	now := start.Add(1500 * time.Millisecond)
	g := command.PasswordGrant(now, command.Client{Application: app}, "10000", u, "openid")
	want := command.Grant{
		Client: command.Client{Application: app}, User: u, Partner: "10000", LoggedIn: start.Add(time.Second), Scope: "openid",
		IssuedAt: start.Add(time.Second), ExpiresAt: start.Add(43201 * time.Second),
	}
	if d := cmp.Diff(want, g); d != "" {
		t.Errorf("grant (-want +got):\n%s", d)
	}
	d, err := command.RecordToken(g, "password", events.TokenID{1}, events.TokenDigest{2}, "k1")
	then(t, d, err, -1, &events.TokenIssued{
		ID: events.TokenID{1}, Digest: events.TokenDigest{2}, Application: "a1", User: "u1", UserVersion: 2,
		Grant: "password", Scope: "openid", Key: "k1", IssuedAt: g.IssuedAt.Unix(), ExpiresAt: g.ExpiresAt.Unix(),
	})

	short := *app
	short.TokenLifetime = 600
	if g := command.PasswordGrant(now, command.Client{Application: &short}, "", u, ""); g.ExpiresAt.Sub(g.IssuedAt) != 10*time.Minute {
		t.Errorf("lifetime %v", g.ExpiresAt.Sub(g.IssuedAt))
	}

	if err := command.RefusedToken(s, g); !errors.Is(err, command.ErrInvalidClient) {
		t.Errorf("the client's fault: %v", err)
	}
	for name, end := range map[string]events.Data{
		"disabled": &events.UserDisabled{ID: "u1"}, "password changed": &events.UserPasswordChanged{ID: "u1"}, "deleted": &events.UserDeleted{ID: "u1"},
	} {
		s := given(t, acme(), user("u1", "h1"), in("acme", &events.UserPasswordChanged{ID: "u1"}), in("acme", end))
		if err := command.RefusedToken(s, g); !errors.Is(err, command.ErrLoginFailed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := command.RefusedToken(projections.New(), command.Grant{}); !errors.Is(err, command.ErrInvalidClient) {
		t.Errorf("without a user: %v", err)
	}
}

func TestRecordLoginFailure(t *testing.T) {
	d, err := command.RecordLoginFailure("acme", events.LoginPair{1}, "u1")
	then(t, d, err, -1, &events.LoginFailed{Pair: events.LoginPair{1}, User: "u1"})
}
