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

var (
	firstToken, secondToken, thirdToken = events.TokenDigest{1}, events.TokenDigest{2}, events.TokenDigest{3}
	refreshing                          = []string{"password", "refresh_token"}
)

func refresher(id string, grants []string, scopes ...string) happened {
	return in("acme", &events.ApplicationCreated{
		ID: id, ClientID: "app_" + id, Secret: digest(1),
		ApplicationSettings: events.ApplicationSettings{Name: "Refresher", Scopes: scopes, GrantTypes: grants},
	})
}

// loggedIn is a partner, two clients, a user and a family of the first client.
func loggedIn(more ...happened) []happened {
	return append([]happened{
		in("acme", &events.OrganizationCreated{ID: "acme", Name: "Acme", PartnerID: "10000"}),
		refresher("a1", refreshing, "read", "write", "openid"), refresher("a2", refreshing, "read"),
		in("acme", &events.UserCreated{ID: "u1", UserProfile: events.UserProfile{Handle: "h1", Email: []byte("sealed"), Role: "AGENT"}}),
		in("acme", &events.RefreshIssued{
			Family: "f1", Digest: firstToken, Application: "a1", Secret: 1, User: "u1", UserVersion: 1, Scope: "read write",
			IssuedAt: start.Unix(), ExpiresAt: start.Add(time.Hour).Unix(),
		}),
	}, more...)
}

func clientOf(t *testing.T, s *projections.State, id string) command.Client {
	t.Helper()
	app, ok := s.Applications.Get(id)
	if !ok {
		t.Fatalf("no application %s", id)
	}
	return command.Client{Application: app, Secret: app.Versions}
}

func presentation(digest, successor events.TokenDigest) *events.RefreshPresented {
	return &events.RefreshPresented{Family: "f1", Digest: digest, Successor: successor, Application: "a1", Secret: 1}
}

func TestPresentRefresh(t *testing.T) {
	settings := func(grants []string, scopes ...string) happened {
		return in("acme", &events.ApplicationUpdated{ID: "a1", ApplicationSettings: events.ApplicationSettings{Scopes: scopes, GrantTypes: grants}})
	}
	for _, c := range []struct {
		name      string
		given     []happened
		client    string // a1
		after     time.Duration
		token     events.TokenDigest // the first
		partner   string
		requested string
		scope     string
		verdict   projections.Presentation
		err       error
	}{
		{name: "all", scope: "read write", verdict: projections.Rotated},
		{name: "less", requested: "write", scope: "write", verdict: projections.Rotated},
		{name: "more than the application has", requested: "admin", err: &command.Error{Kind: command.KindInvalidScope}},
		{name: "more than the user logged in for", requested: "openid", err: &command.Error{Kind: command.KindInvalidScope}},
		{name: "what the application has lost", given: []happened{settings(refreshing, "read", "openid")}, scope: "read", verdict: projections.Rotated},
		{name: "asking for what it has lost", given: []happened{settings(refreshing, "read")}, requested: "write", err: &command.Error{Kind: command.KindInvalidScope}},
		{name: "its partner", partner: "10000", scope: "read write", verdict: projections.Rotated},
		{name: "another partner", partner: "99", err: &command.Error{Kind: command.KindInvalid}},
		{name: "another client", client: "a2", err: command.ErrRefreshToken},
		{name: "a client that may not refresh", given: []happened{settings([]string{"password"}, "read")}, err: &command.Error{Kind: command.KindUnauthorizedClient}},
		{name: "unknown", token: events.TokenDigest{9}, err: command.ErrRefreshToken},
		{name: "expired", after: time.Hour, err: command.ErrRefreshToken},
		{name: "ended", given: []happened{in("acme", &events.RefreshFamilyEnded{Family: "f1", Application: "a1"})}, err: command.ErrRefreshToken},
		{name: "a disabled user", given: []happened{in("acme", &events.UserDisabled{ID: "u1"})}, err: command.ErrRefreshToken},
		{name: "a new password", given: []happened{in("acme", &events.UserPasswordChanged{ID: "u1"})}, err: command.ErrRefreshToken},
		{name: "a deleted user", given: []happened{in("acme", &events.UserDeleted{ID: "u1"})}, err: command.ErrRefreshToken},
		{name: "a new secret", given: []happened{in("acme", &events.SecretRotated{ID: "a1", Secret: digest(2)})}, err: command.ErrRefreshToken},
		{name: "all tokens revoked", given: []happened{in("acme", &events.ApplicationTokensRevoked{ID: "a1"})}, err: command.ErrRefreshToken},
		{name: "used", given: []happened{in("acme", presentation(firstToken, secondToken))}, verdict: projections.Reused},
		{name: "used, and asking for too much", given: []happened{in("acme", presentation(firstToken, secondToken))}, requested: "admin", verdict: projections.Reused},
		{name: "the successor", given: []happened{in("acme", presentation(firstToken, secondToken))}, token: secondToken, scope: "read write", verdict: projections.Rotated},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := given(t, loggedIn(c.given...)...)
			if c.client == "" {
				c.client = "a1"
			}
			if c.token == (events.TokenDigest{}) {
				c.token = firstToken
			}
			client := clientOf(t, s, c.client)
			now := start.Add(10*time.Second + c.after)
			g, verdict, err := command.PresentRefresh(s, now, client, command.PresentedRefresh{
				Token: c.token, Successor: thirdToken, Partner: c.partner, Scope: c.requested,
			})
			if !errors.Is(err, c.err) || err == nil && verdict != c.verdict {
				t.Fatalf("verdict %v, error %v; want %v, %v", verdict, err, c.verdict, c.err)
			}
			if err != nil {
				return
			}
			if g.Scope != c.scope || g.User.ID != "u1" || g.Partner != "10000" || !g.LoggedIn.Equal(start) || !g.ExpiresAt.Equal(g.IssuedAt.Add(12*time.Hour)) {
				t.Errorf("%+v", g)
			}
			want := presentation(c.token, thirdToken)
			if d := cmp.Diff(&command.Refresh{Family: "f1", Token: thirdToken, Fact: want}, g.Refresh); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// The presentation and what it is to give are one record.
func TestRecordRefreshedToken(t *testing.T) {
	s := given(t, loggedIn()...)
	g, _, err := command.PresentRefresh(s, start, clientOf(t, s, "a1"), command.PresentedRefresh{Token: firstToken, Successor: secondToken})
	if err != nil {
		t.Fatal(err)
	}
	d, err := command.RecordToken(g, "refresh_token", events.TokenID{7}, events.TokenDigest{8}, "k1")
	then(t, d, err, -1, presentation(firstToken, secondToken), &events.TokenIssued{
		ID: events.TokenID{7}, Digest: events.TokenDigest{8}, Application: "a1", Secret: 1, User: "u1", UserVersion: 1, Family: "f1",
		Grant: "refresh_token", Scope: "read write", Key: "k1", IssuedAt: start.Unix(), ExpiresAt: start.Add(12 * time.Hour).Unix(),
	})
}

func TestFirstRefresh(t *testing.T) {
	s := given(t, loggedIn(refresher("a3", []string{"password"}, "read"))...)
	user, _ := s.Users.Get("u1")
	g := command.PasswordGrant(start, clientOf(t, s, "a1"), "10000", user, "read")
	want := &command.Refresh{Family: "f2", Token: firstToken, Fact: &events.RefreshIssued{
		Family: "f2", Digest: firstToken, Application: "a1", Secret: 1, User: "u1", UserVersion: 1, Scope: "read",
		IssuedAt: start.Unix(), ExpiresAt: start.Add(30 * 24 * time.Hour).Unix(),
	}}
	if d := cmp.Diff(want, command.FirstRefresh(g, "f2", firstToken)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	g = command.PasswordGrant(start, clientOf(t, s, "a3"), "10000", user, "read")
	if got := command.FirstRefresh(g, "f2", firstToken); got != nil {
		t.Errorf("an application that does not list it gets %+v", got)
	}
}

func TestRevokeRefresh(t *testing.T) {
	s := given(t, loggedIn()...)
	f, err := command.FindRefresh(s, clientOf(t, s, "a1"), firstToken)
	if err != nil {
		t.Fatal(err)
	}
	d, err := command.RevokeRefresh(s, f, command.ReasonClient)
	then(t, d, err, -1, &events.RefreshFamilyEnded{
		Family: "f1", Application: "a1", ClientID: "app_a1", User: "u1", Reason: command.ReasonClient,
	})
	if _, err := command.FindRefresh(s, clientOf(t, s, "a2"), firstToken); !errors.Is(err, command.ErrNotYours) {
		t.Errorf("another client: %v", err)
	}
	if f, err := command.FindRefresh(s, clientOf(t, s, "a2"), secondToken); f != nil || err != nil {
		t.Errorf("unknown: %v, %v", f, err)
	}
}

func TestTellReuse(t *testing.T) {
	ended := &events.RefreshFamilyEnded{Family: "f1", Application: "a1", ClientID: "app_a1", User: "u1", Reason: projections.ReasonReused}
	twice := []happened{in("acme", presentation(firstToken, secondToken)), in("acme", presentation(firstToken, secondToken))}
	d, err := command.TellReuse(given(t, loggedIn(twice...)...), "f1")
	then(t, d, err, -1, ended)
	for name, s := range map[string]*projections.State{
		"alive": given(t, loggedIn()...), "told": given(t, loggedIn(append(twice, in("acme", ended))...)...), "unknown": given(t),
	} {
		if _, err := command.TellReuse(s, "f1"); !errors.Is(err, command.ErrUnchanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A refresh keeps the key that its first holder gave it, until the tokens change.
func TestLeaseKeepsItsKey(t *testing.T) {
	expires := start.Add(time.Minute).Unix()
	lease := func(until int64, key string) happened {
		return in("acme", &events.AuthenticationLeased{ID: "c1", Until: until, Key: key})
	}
	added := in("acme", &events.AuthenticationAdded{ID: "c1", Provider: "f4w", Tokens: []byte("t1"), ExpiresAt: expires})
	refreshed := in("acme", &events.AuthenticationRefreshed{ID: "c1", Tokens: []byte("t2"), ExpiresAt: expires})
	for _, c := range []struct {
		name  string
		given []happened
		hold  time.Duration
		want  string
	}{
		{"first", []happened{added}, time.Minute, "mine"},
		{"its holder is gone", []happened{added, lease(0, "theirs")}, 2 * time.Minute, "theirs"},
		{"the next one too", []happened{added, lease(0, "theirs"), lease(0, "theirs")}, 4 * time.Minute, "theirs"},
		{"refreshed meanwhile", []happened{added, lease(0, "theirs"), refreshed}, time.Minute, "mine"},
		{"leased without a key", []happened{added, lease(0, "")}, 2 * time.Minute, "mine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := start.Add(10 * time.Second)
			d, err := command.LeaseRefresh(given(t, c.given...), now, "c1", expires, "mine")
			then(t, d, err, len(c.given), &events.AuthenticationLeased{ID: "c1", Until: now.Add(c.hold).Unix(), Key: c.want})
		})
	}
}
