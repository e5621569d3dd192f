package projections_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// A registered event without a fold would stop every replica that reads one.
func TestEveryEventHasAFold(t *testing.T) {
	for _, name := range events.Types() {
		files, err := filepath.Glob("../events/testdata/golden/" + string(name) + ".v*.json")
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no golden event (%v)", name, err)
		}
		for _, file := range files {
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			header := events.PageHeader{Commit: "c_1", Replica: "r_1"}
			_, decoded, err := events.DecodePage(events.AppendPage(nil, header, bytes.TrimSpace(golden)))
			if err != nil {
				t.Fatal(err)
			}
			for e, err := range decoded {
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				if err := projections.New().Apply(projections.Record{Position: 1}, 0, e); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	}
}

func TestUnknownDataIsAnError(t *testing.T) {
	err := projections.New().Apply(projections.Record{Position: 1}, 0, &events.Event{Type: "x.y", Time: epoch, Data: unknown{}})
	if err == nil {
		t.Error("skipped")
	}
}

type unknown struct{}

func (unknown) EventType() events.Type { return "x.y" }

// What ends a token, in the order of the log.
func TestLiveness(t *testing.T) {
	minute := time.Minute
	create := on("acme", 0, created("a1", false))
	issue := on("acme", minute, issued(1, "a1", 1, minute, time.Hour))
	rotate := on("acme", minute, rotated("a1", time.Time{}))
	overlap := on("acme", minute, rotated("a1", epoch.Add(10*minute)))
	remove := on("acme", minute, &events.ApplicationDeleted{ID: "a1"})
	endAll := on("acme", minute, &events.ApplicationTokensRevoked{ID: "a1"})
	tenant := on("acme", 0, &events.OrganizationCreated{ID: "acme"})
	endTenant := on("acme", minute, &events.OrganizationTokensRevoked{ID: "acme"})
	revoke := on("acme", minute, &events.TokenRevoked{ID: tokenID(1), Application: "a1"})
	for _, c := range []struct {
		name  string
		given []page
		at    time.Duration
		want  projections.Liveness
	}{
		{"nothing", nil, 0, projections.Unknown},
		{"issued", []page{create, issue}, 2 * minute, projections.Live},
		{"just before its end", []page{create, issue}, 61*minute - time.Nanosecond, projections.Live},
		{"at its end", []page{create, issue}, 61 * minute, projections.Expired},
		{"swept", []page{create, issue, on("acme", 62*minute, &events.BeaconSent{Nonce: "n"})}, 61 * minute, projections.Unknown},
		{"revoked", []page{create, issue, revoke}, 2 * minute, projections.Revoked},
		{"revoked and over", []page{create, issue, revoke}, 61 * minute, projections.Expired},
		{"revoked before it was issued", []page{create, revoke, issue}, 2 * minute, projections.Live},
		{"revoked for another application",
			[]page{create, issue, on("acme", minute, &events.TokenRevoked{ID: tokenID(1), Application: "a2"})}, 2 * minute, projections.Live},
		{"revoked by another organization",
			[]page{create, issue, on("beta", minute, &events.TokenRevoked{ID: tokenID(1), Application: "a1"})}, 2 * minute, projections.Live},
		{"all revoked", []page{create, issue, endAll}, 2 * minute, projections.Revoked},
		{"issued after all were revoked", []page{create, endAll, issue}, 2 * minute, projections.Live},
		{"all of the organization revoked", []page{tenant, create, issue, endTenant}, 2 * minute, projections.Revoked},
		{"issued after that", []page{tenant, create, endTenant, issue}, 2 * minute, projections.Live},
		{"all of another organization revoked",
			[]page{tenant, create, issue, on("beta", minute, &events.OrganizationCreated{ID: "beta"}), on("beta", minute, &events.OrganizationTokensRevoked{ID: "beta"})}, 2 * minute, projections.Live},
		{"all revoked by another organization", []page{tenant, create, issue, on("beta", minute, &events.OrganizationTokensRevoked{ID: "acme"})}, 2 * minute, projections.Live},
		{"secret rotated", []page{create, issue, rotate}, 2 * minute, projections.Revoked},
		{"secret rotated before it landed", []page{create, rotate, issue}, 2 * minute, projections.Revoked},
		{"secret with overlap", []page{create, issue, overlap}, 9 * minute, projections.Live},
		{"overlap over", []page{create, issue, overlap}, 10 * minute, projections.Revoked},
		{"overlap cut short", []page{create, issue, overlap, rotate}, 2 * minute, projections.Revoked},
		{"overlap over before it landed",
			[]page{create, overlap, on("acme", 11*minute, issued(1, "a1", 1, minute, time.Hour))}, 11 * minute, projections.Revoked},
		{"application deleted", []page{create, issue, remove}, 2 * minute, projections.Revoked},
		{"application deleted before it landed", []page{create, remove, issue}, 2 * minute, projections.Revoked},
		{"application deleted and its id again", []page{create, issue, remove, create}, 2 * minute, projections.Revoked},
		{"no application", []page{issue}, 2 * minute, projections.Revoked},
		{"application came later", []page{issue, create}, 2 * minute, projections.Revoked},
		{"another organization", []page{on("beta", 0, created("a1", false)), issue}, 2 * minute, projections.Revoked},
		{"a secret that never was",
			[]page{create, on("acme", minute, issued(1, "a1", 2, minute, time.Hour))}, 2 * minute, projections.Revoked},
		{"no secret", []page{create, on("acme", minute, issued(1, "a1", 0, minute, time.Hour))}, 2 * minute, projections.Revoked},
		{"public client",
			[]page{on("acme", 0, created("a1", true)), on("acme", minute, issued(1, "a1", 0, minute, time.Hour))}, 2 * minute, projections.Live},
		{"public client that was given a secret",
			[]page{on("acme", 0, created("a1", true)), on("acme", minute, issued(1, "a1", 0, minute, time.Hour)), rotate}, 2 * minute, projections.Revoked},
		{"the same jti twice",
			[]page{create, issue, revoke, issue}, 2 * minute, projections.Revoked},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := replayed(t, c.given)
			_, got := s.Lookup(tokenID(1), digestOf(tokenID(1)), epoch.Add(c.at))
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestLookupShowsWhatWasIssued(t *testing.T) {
	d := issued(1, "a1", 1, time.Minute, time.Hour)
	d.User, d.UserVersion = "u1", 1
	s := replayed(t, []page{
		on("acme", 0, created("a1", false), userCreated("u1", "h1")),
		on("acme", time.Minute, issued(0, "a1", 1, time.Minute, time.Hour), d),
	})
	got, l := s.Lookup(d.ID, d.Digest, epoch)
	want := projections.Token{
		ID: d.ID, Digest: d.Digest, Position: 2, Ordinal: 1,
		Application: "a1", Organization: "acme", Secret: 1, User: "u1",
		Grant: "client_credentials", Scope: "read:customers", Key: "k1",
		IssuedAt: d.IssuedAt, ExpiresAt: d.ExpiresAt,
	}
	if diff := cmp.Diff(want, got); diff != "" || l != projections.Live {
		t.Errorf("%v (-want +got):\n%s", l, diff)
	}
	allocs := testing.AllocsPerRun(100, func() { s.Lookup(d.ID, d.Digest, epoch) })
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func ids(list []*projections.Application) (ids []string) {
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	return ids
}

func TestApplicationsAreListedAsCreated(t *testing.T) {
	s := replayed(t, []page{
		on("acme", 0, created("z", false), created("y", false)),
		on("beta", 0, created("b", false)),
		on("acme", 0, created("x", true), created("w", false)),
		on("acme", 0, &events.ApplicationDeleted{ID: "y"}),
		on("acme", 0, &events.ApplicationUpdated{ID: "x"}),
		on("beta", 0, &events.ApplicationDeleted{ID: "w"}), // not beta's
	})
	for _, c := range []struct {
		created events.Position
		ordinal int
		want    []string
	}{
		{0, 0, []string{"z", "x", "w"}},
		{1, 0, []string{"x", "w"}},
		{1, 1, []string{"x", "w"}}, // after the deleted one
		{3, 0, []string{"w"}},
		{3, 1, nil},
	} {
		if d := cmp.Diff(c.want, ids(s.Applications.After("acme", c.created, c.ordinal))); d != "" {
			t.Errorf("after %d/%d (-want +got):\n%s", c.created, c.ordinal, d)
		}
	}
	again := restored(t, encoded(t, s.Freeze()))
	if d := cmp.Diff([]string{"z", "x", "w"}, ids(again.Applications.After("acme", 0, 0))); d != "" {
		t.Errorf("after a restore (-want +got):\n%s", d)
	}
	if a, ok := again.Applications.ByClientID("app_w"); !ok || a.ID != "w" || again.Applications.Len() != 4 {
		t.Error("restored without the client ids")
	}
}

func TestKeys(t *testing.T) {
	create := func(kid string) events.Data { return &events.KeyCreated{ID: kid, Algorithm: "ES256", NotBefore: epoch} }
	s := replayed(t, []page{
		on("", 0, create("k2"), create("k1")),
		on("", 0, &events.KeyActivated{ID: "k1"}),
		on("", 0, &events.KeyRetired{ID: "k1"}), // signs: stays
		on("", time.Hour, create("k3"), &events.KeyActivated{ID: "k3"}),
		on("", time.Hour, &events.KeyRetired{ID: "k2"}, &events.KeyActivated{ID: "k2"}),
	})
	for _, s := range []*projections.State{s, restored(t, encoded(t, s.Freeze()))} {
		var kids []string
		for _, k := range s.Keys.Published() {
			kids = append(kids, k.ID)
		}
		former, _ := s.Keys.Get("k1")
		if k, ok := s.Keys.Active("ES256"); !ok || k.ID != "k3" || !former.ReplacedAt.Equal(epoch.Add(time.Hour)) || s.Keys.Revision() != 5 {
			t.Errorf("active is %+v, former %+v", k, former)
		}
		if d := cmp.Diff([]string{"k1", "k3"}, kids); d != "" {
			t.Errorf("published (-want +got):\n%s", d)
		}
		// The key that signs is recognized as such after a restore.
		apply(t, s, on("", time.Hour, &events.KeyRetired{ID: "k3"}))
		if _, ok := s.Keys.Get("k3"); !ok {
			t.Error("retired the key that signs")
		}
	}
}
