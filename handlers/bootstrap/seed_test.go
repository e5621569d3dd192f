package bootstrap_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/bootstrap"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

const demoSecret = "a secret that was fixed for a test"

func acme() bootstrap.Organization {
	return bootstrap.Organization{
		ID: "acme", Name: "Acme", PartnerID: "10000", Limits: events.Limits{PerMinute: 500},
		Scopes: []events.Scope{{Name: "read:customers", Routes: []string{"GET /api/v1/customers/*"}}, {Name: "write:customers"}},
		Upstreams: []events.Upstream{{
			Name: "api", URL: "http://127.0.0.1:9001", Paths: []string{"/api/v1/*"}, Private: true,
			Headers: []events.UpstreamHeader{{Name: "X-Provider", Value: "Bearer ${f4w_access_token}"}},
		}},
		Applications: []bootstrap.Application{
			{Name: "Production Integration", ClientID: "app_demo", Secret: demoSecret, Scopes: []string{"read:customers"}},
			{Name: "Mobile", GrantTypes: []string{"password"}},
			{Name: "Nightly", Secret: "another fixed secret", TokenLifetime: 120, Scopes: []string{"events:read"}},
		},
	}
}

func (r *replica) listed(organization string) (apps []*projections.Application) {
	r.config.Emit.View(func(s *projections.State) { apps = slices.Clone(s.Applications.After(organization, 0, 0)) })
	return apps
}

func TestSeedIsAppliedOnce(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	r.seed(acme())

	if !r.accepts("app_demo", demoSecret) {
		t.Error("the fixed secret does not count")
	}
	apps := r.listed("acme")
	if len(apps) != 3 || apps[0].Name != "Production Integration" || !apps[1].Public() || apps[2].TokenLifetime != 120 {
		t.Errorf("%d applications", len(apps))
	}
	if !strings.HasPrefix(apps[2].ClientID, "app_") || apps[2].ClientID == apps[1].ClientID {
		t.Errorf("derived clientIds %q and %q", apps[1].ClientID, apps[2].ClientID)
	}
	if strings.Contains(r.log.String(), demoSecret) {
		t.Error("the secret was logged")
	}

	before := r.Last()
	r.seed(acme())
	newReplica(t, env).seed(acme())
	if r.Last() != before {
		t.Error("a seed without changes wrote something")
	}
}

// Upstreams come from the file alone: what is taken out of it is gone.
func TestSeededUpstreamsAreAllThereAre(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	upstreams := func() (names []string) {
		r.config.Emit.View(func(s *projections.State) {
			o, _ := s.Organizations.Get("acme")
			for _, u := range o.Upstreams {
				names = append(names, u.Name)
			}
		})
		return names
	}
	r.seed(acme())
	if got := upstreams(); !slices.Equal(got, []string{"api"}) {
		t.Errorf("upstreams %v", got)
	}
	without := acme()
	without.Upstreams = nil
	r.seed(without)
	if got := upstreams(); len(got) != 0 {
		t.Errorf("upstreams %v are left", got)
	}
}

func TestManyReplicasSeedAtOnce(t *testing.T) {
	env := journaltest.New(t)
	replicas := make([]*replica, 4)
	for i := range replicas {
		replicas[i] = newReplica(t, env)
	}
	var starts sync.WaitGroup
	for _, r := range replicas {
		starts.Go(func() {
			if err := bootstrap.Admin(t.Context(), r.config, filepath.Join(t.TempDir(), "admin.json")); err != nil {
				t.Error(err)
			}
			if err := bootstrap.Seed(t.Context(), r.config, []bootstrap.Organization{acme(), {ID: "default", Name: "Default"}}); err != nil {
				t.Error(err)
			}
		})
	}
	starts.Wait()
	r := replicas[0]
	r.Sync()
	if len(r.listed("acme")) != 3 || !r.accepts("app_demo", demoSecret) {
		t.Errorf("%d applications", len(r.listed("acme")))
	}
	if got, want := r.Last(), events.Position(1+1+1+1+3); got != want {
		t.Errorf("%d records, want %d", got, want)
	}
}

func TestSeedChangesWhatDiffers(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.seed(acme())
	before := r.Last()

	changed := acme()
	changed.Name = "Acme Ltd"
	changed.Scopes = append(changed.Scopes, events.Scope{Name: "read:orders"})
	changed.Applications[0].Scopes = []string{"read:customers", "read:orders"}
	r.seed(changed)

	if got := r.Last() - before; got != 2 {
		t.Errorf("%d records, want one for the organization and one for the application", got)
	}
	if diff := cmp.Diff([]string{"read:customers", "read:orders"}, r.application("app_demo").Scopes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !r.accepts("app_demo", demoSecret) {
		t.Error("the secret no longer counts")
	}
}

func TestSeedTakesNoEndingBack(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	r.seed(acme())
	demo, mobile := r.application("app_demo"), r.listed("acme")[1]
	r.Run(func(s *projections.State) (command.Decision, error) {
		return command.RotateSecret(s, r.config.Emit.Now(), command.Target{Organization: "acme", ID: demo.ID}, hash("rotated"), 0)
	})
	r.Run(func(s *projections.State) (command.Decision, error) {
		return command.DeleteApplication(s, command.Target{Organization: "acme", ID: mobile.ID})
	})
	before := r.Last()

	next := newReplica(t, env)
	next.seed(acme())

	if next.Last() != before {
		t.Error("the seed wrote something")
	}
	if next.accepts("app_demo", demoSecret) || !next.accepts("app_demo", "rotated") {
		t.Error("the rotated secret came back")
	}
	if next.application(mobile.ClientID) != nil {
		t.Error("the deleted application came back")
	}
	log := next.log.String()
	if strings.Count(log, "level=WARN") != 2 || !strings.Contains(log, "app_demo") || !strings.Contains(log, mobile.ClientID) || strings.Contains(log, demoSecret) {
		t.Errorf("logged %s", log)
	}
}

func TestSeedAdoptsAnApplicationByItsClientID(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.seed(bootstrap.Organization{ID: "acme", Name: "Acme"})
	digest := hash("made by hand")
	r.Run(func(s *projections.State) (command.Decision, error) {
		name := "By hand"
		return command.CreateApplication(s, command.NewApplication{
			Target: command.Target{Organization: "acme", ID: events.NewID("a_")}, ClientID: "app_hand", Secret: &digest,
			Settings: command.Settings{Name: &name},
		})
	})
	r.seed(bootstrap.Organization{ID: "acme", Applications: []bootstrap.Application{{Name: "Seeded", ClientID: "app_hand"}}})
	if app := r.application("app_hand"); app.Name != "Seeded" || !r.accepts("app_hand", "made by hand") {
		t.Errorf("name %q", app.Name)
	}
}

func TestSeedsThatAreRefused(t *testing.T) {
	application := func(a bootstrap.Application) []bootstrap.Organization {
		o := acme()
		o.Applications = []bootstrap.Application{a}
		return []bootstrap.Organization{o}
	}
	for name, seed := range map[string][]bootstrap.Organization{
		"bad id":             {{ID: "A.B", Name: "x"}},
		"no name":            {{ID: "x"}},
		"unknown scope":      application(bootstrap.Application{Name: "x", Scopes: []string{"none"}}),
		"bad lifetime":       application(bootstrap.Application{Name: "x", TokenLifetime: 5}),
		"unknown grant type": application(bootstrap.Application{Name: "x", GrantTypes: []string{"implicit"}}),
		"no name of an app":  application(bootstrap.Application{ClientID: "app_x"}),
		"bad clientId":       application(bootstrap.Application{Name: "x", ClientID: "a b"}),
		"one clientId in two organizations": {
			{ID: "one", Name: "One", Applications: []bootstrap.Application{{Name: "x", ClientID: "app_x"}}},
			{ID: "two", Name: "Two", Applications: []bootstrap.Application{{Name: "x", ClientID: "app_x"}}},
		},
		"a secret for a public client": {
			{ID: "one", Name: "One", Applications: []bootstrap.Application{
				{Name: "x", ClientID: "app_x"}, {Name: "x", ClientID: "app_x", Secret: demoSecret},
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, journaltest.New(t))
			err := bootstrap.Seed(t.Context(), r.config, seed)
			var refusal *command.Error
			if !errors.As(err, &refusal) || strings.Contains(err.Error(), demoSecret) {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
}
