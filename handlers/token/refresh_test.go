package token

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/projections"
)

// site is a log with a public client and a user.
type site struct {
	*journaltest.Env
	t     *testing.T
	ahead atomic.Int64 // of the real clock, in nanoseconds
}

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// replica has of an endpoint what refreshing needs.
type replica struct {
	*Endpoint
	t    *testing.T
	base *emittest.Replica
}

func newSite(t *testing.T) (*site, *replica) {
	t.Helper()
	s := &site{Env: journaltest.New(t), t: t}
	r := s.replica()
	app := &events.ApplicationCreated{ID: "a1", ClientID: "app_a1"}
	app.GrantTypes, app.Scopes = []string{passwordGrant, refreshGrant}, []string{"openid"}
	r.record(
		&events.OrganizationCreated{ID: "acme", Name: "Acme", PartnerID: "10000"}, app,
		&events.UserCreated{ID: "u1", UserProfile: events.UserProfile{Handle: "h1", Email: []byte("sealed")}},
	)
	return s, r
}

func (s *site) replica() *replica {
	s.t.Helper()
	base := emittest.New(s.t, s.Env, emittest.Config{Now: s.now})
	return &replica{t: s.t, base: base, Endpoint: New(Config{
		Emit: base.Emitter, Rotator: credential.NewRotator([]byte("key")), Log: slog.New(slog.DiscardHandler),
	})}
}

func (r *replica) record(data ...events.Data) { r.base.Record("acme", data...) }

func recording(data ...events.Data) emit.Decide {
	return func(*projections.State, time.Time) (command.Decision, error) {
		subject, err := events.SubjectFor("acme", data[0])
		return command.Decision{Organization: "acme", Subject: subject, Events: data}, err
	}
}

func (r *replica) client() (c command.Client) {
	r.t.Helper()
	r.base.Sync()
	r.Emit.View(func(s *projections.State) { c.Application, _ = s.Applications.Get("a1") })
	return c
}

// begin gives the user a refresh token.
func (r *replica) begin() Granted {
	r.t.Helper()
	client := r.client()
	var user *projections.User
	r.Emit.View(func(s *projections.State) { user, _ = s.Users.Get("u1") })
	g := r.withRefresh(command.PasswordGrant(r.Emit.Now(), client, "10000", user, "openid"))
	r.record(g.Grant.Refresh.Fact)
	return g
}

// present records a presentation as the endpoint does; false: it was refused
// unrecorded.
func (r *replica) present(client command.Client, token, key string) bool {
	p := command.PresentedRefresh{
		Token: authn.Digest(token), Successor: authn.Digest(r.Rotator.Successor(token, key)), Repeatable: key != "",
	}
	var g command.Grant
	var err error
	r.Emit.View(func(s *projections.State) { g, _, err = command.PresentRefresh(s, r.Emit.Now(), client, p) })
	if err != nil {
		return false
	}
	if _, err := r.Emit.Do(r.t.Context(), emit.Meta{}, recording(g.Refresh.Fact)); err != nil {
		r.t.Error(err)
	}
	return true
}

func (r *replica) family(id string) (f *projections.RefreshFamily) {
	r.t.Helper()
	r.base.Sync()
	r.Emit.View(func(s *projections.State) { f, _ = s.Refreshes.Get(id) })
	if f == nil {
		r.t.Fatalf("no family %s", id)
	}
	return f
}

// read folds the log anew and shows every event before it is applied.
func (s *site) read(see func(*projections.State, *events.Event)) {
	s.t.Helper()
	j, state := s.Open(), projections.New()
	last, err := j.Last(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	err = j.Read(s.t.Context(), journal.Cursor{}, last, func(rec *journal.Record) error {
		i := 0
		for e, err := range rec.Events() {
			if err != nil {
				return err
			}
			see(state, e)
			if err := state.Apply(projections.Record{Position: rec.Position, Subject: rec.Subject}, i, e); err != nil {
				return err
			}
			i++
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// verdicts counts what the log says of a family's presentations.
func (s *site) verdicts(family string) map[projections.Presentation]int {
	s.t.Helper()
	found := map[projections.Presentation]int{}
	s.read(func(state *projections.State, e *events.Event) {
		if d, ok := e.Data.(*events.RefreshPresented); ok && d.Family == family {
			found[state.Judge(e.Organization, d, e.Time)]++
		}
	})
	return found
}

// G6: two replicas that present one token at once have one winner between
// them, and the family ends; both say so.
func TestTwoReplicasPresentOneToken(t *testing.T) {
	s, first := newSite(t)
	second := s.replica()
	for range 20 {
		g := first.begin()
		clients := []command.Client{first.client(), second.client()}
		var recorded atomic.Int32
		var both sync.WaitGroup
		for i, r := range []*replica{first, second} {
			both.Go(func() {
				if r.present(clients[i], g.RefreshToken, "") {
					recorded.Add(1)
				}
			})
		}
		both.Wait()
		family := g.Grant.Refresh.Family
		if recorded.Load() != 2 {
			t.Fatalf("%d presentations were recorded", recorded.Load())
		}
		for _, r := range []*replica{first, second} {
			if f := r.family(family); f.Ended != projections.ReasonReused {
				t.Errorf("the family is %+v", f)
			}
		}
		if v := s.verdicts(family); v[projections.Rotated] != 1 || v[projections.Reused] != 1 {
			t.Errorf("the log's verdicts: %v", v)
		}
	}
}

// With one key, the two are one presentation.
func TestTwoReplicasRepeatOnePresentation(t *testing.T) {
	s, first := newSite(t)
	second := s.replica()
	g := first.begin()
	clients := []command.Client{first.client(), second.client()}
	var both sync.WaitGroup
	for i, r := range []*replica{first, second} {
		both.Go(func() { r.present(clients[i], g.RefreshToken, "key") })
	}
	both.Wait()
	family := g.Grant.Refresh.Family
	if v := s.verdicts(family); v[projections.Rotated] != 1 || v[projections.Repeated] != 1 {
		t.Errorf("the log's verdicts: %v", v)
	}
	want := authn.Digest(first.Rotator.Successor(g.RefreshToken, "key"))
	for _, r := range []*replica{first, second} {
		if f := r.family(family); f.Ended != "" || f.Current != want || len(f.Former) != 1 {
			t.Errorf("the family is %+v", f)
		}
	}
}

// A replica that is gone before it told listeners of a reuse is made up for,
// once, by any other.
func TestReuseIsToldInTheEnd(t *testing.T) {
	s, first := newSite(t)
	g := first.begin()
	family, client := g.Grant.Refresh.Family, first.client()
	first.present(client, g.RefreshToken, "")
	first.present(client, g.RefreshToken, "") // and is gone
	second := s.replica()
	if f := second.family(family); f.Ended != projections.ReasonReused || f.Told {
		t.Fatalf("the family is %+v", f)
	}
	second.makeUp(t.Context())
	if second.family(family).Told {
		t.Error("told while the one that saw it may still do so")
	}
	s.ahead.Store(int64(2 * grace))
	second.makeUp(t.Context())
	if f := second.family(family); !f.Told {
		t.Errorf("the family is %+v", f)
	}
	second.makeUp(t.Context())
	second.tellReuse(t.Context(), emit.Meta{}, family)
	told := 0
	s.read(func(_ *projections.State, e *events.Event) {
		if _, ok := e.Data.(*events.RefreshFamilyEnded); ok {
			told++
		}
	})
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
