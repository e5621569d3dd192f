package projections_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// withFamily is a token that came from a family of the application a1.
func withFamily(n int, family string, after time.Duration) *events.TokenIssued {
	d := issued(n, "a1", 1, after, time.Hour)
	d.Family, d.User, d.UserVersion = family, "u1", 1
	return d
}

func TestRefreshFamilies(t *testing.T) {
	const minute = time.Minute
	begin := on("acme", minute, familyBegun("f1", "a1", 1, "u1", minute, 10*minute), withFamily(0, "f1", minute))
	present := func(n int, key string) page { return on("acme", minute, presented("f1", n, "a1", 1, key)) }
	ended := on("acme", minute, &events.RefreshFamilyEnded{Family: "f1", Application: "a1", Reason: "revoked_by_client"})
	for _, c := range []struct {
		name    string
		given   []page
		used    int    // tokens of the family that were used
		ended   string // why the family ended
		dead    bool   // the access token that came with the first refresh token
		missing bool   // there is no such family
	}{
		{name: "begun", given: []page{begin}},
		{name: "presented", given: []page{begin, present(0, "")}, used: 1},
		{name: "presented one after the other", given: []page{begin, present(0, ""), present(1, ""), present(2, "k")}, used: 3},
		{name: "the same again", given: []page{begin, present(0, "k"), present(0, "k"), present(0, "k")}, used: 1},
		{name: "the same again and on", given: []page{begin, present(0, "k"), present(0, "k"), present(1, "k")}, used: 2},

		{name: "the same without a key", given: []page{begin, present(0, ""), present(0, "")}, ended: projections.ReasonReused, dead: true},
		{name: "the same with another key", given: []page{begin, present(0, "k"), present(0, "l")}, ended: projections.ReasonReused, dead: true},
		{name: "the same, now without its key", given: []page{begin, present(0, "k"), present(0, "")}, ended: projections.ReasonReused, dead: true},
		{name: "the same after its successor", given: []page{begin, present(0, "k"), present(1, ""), present(0, "k")}, ended: projections.ReasonReused, dead: true},
		{name: "an old one", given: []page{begin, present(0, ""), present(1, ""), present(2, ""), present(0, "")}, ended: projections.ReasonReused, dead: true},
		{name: "reuse is for good", given: []page{begin, present(0, ""), present(0, ""), present(1, ""), present(0, "k")}, ended: projections.ReasonReused, dead: true},
		{name: "reuse, told", given: []page{begin, present(0, ""), present(0, ""), ended}, ended: projections.ReasonReused, dead: true},
		{name: "ended", given: []page{begin, ended, present(0, "")}, ended: "revoked_by_client", dead: true},

		{name: "another application's presentation", given: []page{begin, on("acme", minute, presented("f1", 0, "a2", 1, ""))}},
		{name: "another organization's presentation", given: []page{begin, on("beta", minute, presented("f1", 0, "a1", 1, ""))}},
		{name: "another application's ending", given: []page{begin, on("acme", minute, &events.RefreshFamilyEnded{Family: "f1", Application: "a2"})}},
		{name: "another organization's ending", given: []page{begin, on("beta", minute, &events.RefreshFamilyEnded{Family: "f1", Application: "a1"})}},
		{name: "presented with a secret that never was", given: []page{begin, on("acme", minute, presented("f1", 0, "a1", 7, ""))}},
		{name: "presented too late", given: []page{begin, on("acme", 11*minute, presented("f1", 0, "a1", 1, ""))}},
		{name: "reused too late", given: []page{begin, present(0, ""), on("acme", 11*minute, presented("f1", 0, "a1", 1, ""))}, used: 1},
		{name: "presented by a disabled user's client", given: []page{begin, on("acme", minute, &events.UserDisabled{ID: "u1"}), present(0, "")}, dead: true},
		{name: "disabled and enabled", given: []page{begin, on("acme", minute, &events.UserDisabled{ID: "u1"}), on("acme", minute, &events.UserEnabled{ID: "u1"}), present(0, "")}, dead: true},
		{name: "secret rotated", given: []page{begin, on("acme", minute, rotated("a1", time.Time{})), on("acme", minute, presented("f1", 0, "a1", 2, ""))}, dead: true},
		{
			name: "secret rotated with an overlap",
			given: []page{
				begin, on("acme", minute, rotated("a1", epoch.Add(2*minute))), on("acme", minute, presented("f1", 0, "a1", 2, "")),
				on("acme", 3*minute, presented("f1", 1, "a1", 2, "")),
			},
			used: 2, dead: true,
		},
		{
			name:  "secret rotated, the overlap slept through",
			given: []page{begin, on("acme", minute, rotated("a1", epoch.Add(2*minute))), on("acme", 3*minute, presented("f1", 0, "a1", 2, ""))},
			dead:  true,
		},
		{name: "all tokens revoked", given: []page{begin, on("acme", minute, &events.ApplicationTokensRevoked{ID: "a1"}), present(0, "")}, dead: true},

		{name: "decided on a disabled user", given: []page{on("acme", minute, &events.UserDisabled{ID: "u1"}), begin}, missing: true, dead: true},
		{name: "decided on a rotated secret", given: []page{on("acme", minute, rotated("a1", time.Time{})), begin}, missing: true, dead: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			given := slices.Concat([]page{
				on("acme", 0, created("a1", false)), on("acme", 0, created("a2", false)), on("acme", 0, userCreated("u1", "h1")),
			}, c.given)
			s := replayed(t, given)
			for _, s := range []*projections.State{s, restored(t, encoded(t, s.Freeze()))} {
				f, ok := s.Refreshes.Get("f1")
				if ok == c.missing {
					t.Fatalf("family is there: %v", ok)
				}
				if ok && (f.Ended != c.ended || len(f.Former) != c.used) {
					t.Errorf("ended %q after %d uses, want %q after %d", f.Ended, len(f.Former), c.ended, c.used)
				}
				if _, l := s.Lookup(tokenID(0), digestOf(tokenID(0)), s.Time); (l == projections.Revoked) != c.dead {
					t.Errorf("its access token is %v, want dead: %v", l, c.dead)
				}
				if got := s.Refreshes.Descends(refreshDigest("f1", c.used), "f1"); got != (!c.missing && c.ended == "") {
					t.Errorf("the current token is known: %v", got)
				}
			}
		})
	}
}

// A token that is issued for a family that ended, or never was, is dead.
func TestTokensOfAnEndedFamilyAreDeadOnArrival(t *testing.T) {
	s := replayed(t, []page{
		on("acme", 0, created("a1", false)), on("acme", 0, userCreated("u1", "h1")),
		on("acme", 0, familyBegun("f1", "a1", 1, "u1", 0, time.Minute), withFamily(0, "f1", 0)),
		on("acme", 0, presented("f1", 0, "a1", 1, ""), withFamily(1, "f1", 0)),
		on("acme", 0, presented("f1", 0, "a1", 1, ""), withFamily(2, "f1", 0)),
		on("acme", 0, withFamily(3, "f1", 0), withFamily(4, "f2", 0), withFamily(5, "", 0)),
	})
	for n, want := range []projections.Liveness{
		projections.Revoked, projections.Revoked, projections.Revoked, projections.Revoked, projections.Revoked, projections.Live,
	} {
		if _, got := s.Lookup(tokenID(n), digestOf(tokenID(n)), s.Time); got != want {
			t.Errorf("token %d is %v, want %v", n, got, want)
		}
	}
}

// Listeners are told of a reuse by an event of its own; until then the state
// says that they are owed it.
func TestUntoldReuse(t *testing.T) {
	end := on("acme", time.Minute, presented("f1", 0, "a1", 1, ""))
	s := replayed(t, []page{
		on("acme", 0, created("a1", false)), on("acme", 0, userCreated("u1", "h1")),
		on("acme", 0, familyBegun("f1", "a1", 1, "u1", 0, time.Hour)), end,
	})
	e := &events.Event{Type: "refresh.presented", Time: end.time, Organization: "acme", Data: end.data[0]}
	if _, ends := projections.EndingOf(9, 0, e); ends {
		t.Error("a presentation is an ending by itself")
	}
	got, ends := s.EndingOf(9, 0, e)
	want := projections.Ending{
		Position: 9, Time: end.time, Type: "refresh.presented", Reason: projections.ReasonReused, Organization: "acme",
		Application: "a1", User: "u1", Family: "f1", Before: 9,
	}
	if d := cmp.Diff(want, got); !ends || d != "" {
		t.Errorf("the state describes the reuse as (-want +got):\n%s", d)
	}
	apply(t, s, end)
	again := restored(t, encoded(t, s.Freeze()))
	for _, s := range []*projections.State{s, again} {
		if len(s.Refreshes.Untold(end.time.Unix()-1)) != 0 {
			t.Error("owed before it ended")
		}
		if owed := s.Refreshes.Untold(end.time.Unix()); len(owed) != 1 || owed[0].ID != "f1" {
			t.Errorf("owed: %v", owed)
		}
		apply(t, s, on("acme", time.Minute, &events.RefreshFamilyEnded{Family: "f1", Application: "a1", Reason: projections.ReasonReused}))
		if owed := s.Refreshes.Untold(end.time.Unix()); len(owed) != 0 {
			t.Errorf("owed after it was told: %v", owed)
		}
	}
}

func TestEndingOfAFamily(t *testing.T) {
	for _, c := range []struct {
		user string
		want projections.Ending
	}{
		{"u1", projections.Ending{Application: "a1", User: "u1"}},
		{"", projections.Ending{Application: "a1", ClientID: "app_a1"}},
	} {
		e := &events.Event{
			Type: "refresh.family_ended", Time: epoch, Organization: "acme",
			Data: &events.RefreshFamilyEnded{Family: "f1", Application: "a1", ClientID: "app_a1", User: c.user, Reason: "r"},
		}
		c.want.Position, c.want.Before, c.want.Time, c.want.Type, c.want.Reason = 7, 7, epoch, e.Type, "r"
		c.want.Organization, c.want.Family = "acme", "f1"
		got, ok := projections.EndingOf(7, 0, e)
		if d := cmp.Diff(c.want, got); !ok || d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestFamiliesAreForgottenByLogTime(t *testing.T) {
	s := replayed(t, []page{on("acme", 0, created("a1", false)), on("acme", 0, userCreated("u1", "h1"))})
	for i := range 100 {
		family := "f" + string(rune('A'+i%26)) + string(rune('A'+i/26))
		apply(t, s, on("acme", 0, familyBegun(family, "a1", 1, "u1", 0, time.Hour)))
		apply(t, s, on("acme", 0, presented(family, 0, "a1", 1, "")))
		if i%2 == 0 {
			apply(t, s, on("acme", 0, presented(family, 0, "a1", 1, "")))
		}
	}
	before := len(encoded(t, s.Freeze()))
	if n := len(s.Refreshes.Untold(epoch.Unix())); n != 50 {
		t.Fatalf("%d families ended by reuse", n)
	}
	apply(t, s, on("acme", 25*time.Hour, failed(1)))
	if _, ok := s.Refreshes.Get("fBA"); !ok {
		t.Error("forgotten while a token of it may live")
	}
	apply(t, s, on("acme", 27*time.Hour, failed(1)))
	if after := len(encoded(t, s.Freeze())); after > before/10 || len(s.Refreshes.Untold(1<<60)) != 0 {
		t.Errorf("the state has %d bytes, with 100 families it had %d", after, before)
	}
	if _, ok := s.Refreshes.ByToken(refreshDigest("fBA", 1)); ok {
		t.Error("a token of a forgotten family is known")
	}
}
