package projections_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// issuedTo is a token that a user got from the public client "pub", decided on
// a version of the user's credentials.
func issuedTo(n int, user string, version int, after time.Duration) *events.TokenIssued {
	d := issued(n, "pub", 0, after, time.Hour)
	d.Grant, d.User, d.UserVersion = "password", user, version
	return d
}

func TestLivenessOfUsersTokens(t *testing.T) {
	const minute = time.Minute
	disable, enable := on("acme", minute, &events.UserDisabled{ID: "u1"}), on("acme", minute, &events.UserEnabled{ID: "u1"})
	change := on("acme", minute, &events.UserPasswordChanged{ID: "u1", Password: []byte("new")})
	remove := on("acme", minute, &events.UserDeleted{ID: "u1"})
	issue := on("acme", minute, issuedTo(1, "u1", 1, minute))
	late := on("acme", minute, issuedTo(1, "u1", 2, minute))
	for _, c := range []struct {
		name  string
		given []page
		want  projections.Liveness
	}{
		{"enabled", []page{issue}, projections.Live},
		{"profile changed", []page{issue, on("acme", minute, &events.UserUpdated{ID: "u1", UserProfile: profile("h2", "ADMIN")})}, projections.Live},
		{"disabled", []page{issue, disable}, projections.Revoked},
		{"disabled and enabled", []page{issue, disable, enable}, projections.Revoked},
		{"password changed", []page{issue, change}, projections.Revoked},
		{"deleted", []page{issue, remove}, projections.Revoked},
		{"deleted and made again", []page{issue, remove, on("acme", minute, userCreated("u1", "h9"))}, projections.Revoked},
		{"another organization's disabling", []page{issue, on("beta", minute, &events.UserDisabled{ID: "u1"})}, projections.Live},
		{"nobody's", []page{on("acme", minute, issuedTo(1, "u9", 1, minute))}, projections.Revoked},
		{"another organization's user", []page{on("beta", 0, created("a1", true)), on("beta", minute, issuedTo(1, "u1", 1, minute))}, projections.Revoked},

		{"decided before the disabling", []page{disable, issue}, projections.Revoked},
		{"decided before the disabling, landed after the enabling", []page{disable, enable, issue}, projections.Revoked},
		{"decided on the old password", []page{change, issue}, projections.Revoked},
		{"decided on the new password", []page{change, late}, projections.Live},
		{"decided after the enabling", []page{disable, enable, late}, projections.Live},
		{"decided before the deletion", []page{remove, issue}, projections.Revoked},
		{"without a version", []page{on("acme", minute, issuedTo(1, "u1", 0, minute))}, projections.Revoked},
		{"issued while disabled", []page{disable, late}, projections.Revoked},
		{"issued while disabled, then enabled", []page{disable, late, enable}, projections.Revoked},
	} {
		t.Run(c.name, func(t *testing.T) {
			given := slices.Concat([]page{on("acme", 0, created("pub", true)), on("acme", 0, userCreated("u1", "h1"))}, c.given)
			s := replayed(t, given)
			for _, s := range []*projections.State{s, restored(t, encoded(t, s.Freeze()))} {
				if _, got := s.Lookup(tokenID(1), digestOf(tokenID(1)), epoch.Add(2*minute)); got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
			}
		})
	}
}

func TestUsers(t *testing.T) {
	s := replayed(t, []page{
		on("acme", 0, userCreated("u1", "h1"), userCreated("u2", "h2")),
		on("beta", 0, userCreated("u3", "h3")),
		on("acme", 0, userCreated("u4", "h1")), // the handle is taken
		on("acme", 0, userCreated("u5", "h5")),
		on("acme", time.Minute, &events.UserUpdated{ID: "u2", UserProfile: profile("h6", "ADMIN")}),
		on("acme", time.Minute, &events.UserDisabled{ID: "u2"}),
		on("acme", time.Minute, &events.UserDeleted{ID: "u1"}),
		on("acme", time.Minute, userCreated("u6", "h1")), // and stays so until it is erased
	})
	for _, s := range []*projections.State{s, restored(t, encoded(t, s.Freeze()))} {
		u, _ := s.Users.Get("u2")
		want := &projections.User{
			ID: "u2", Organization: "acme", UserProfile: profile("h6", "ADMIN"), Password: []byte("sealed hash"), Disabled: true,
			CreatedAt: epoch, UpdatedAt: epoch.Add(time.Minute), Created: 1, Ordinal: 1, Revision: 6, Version: 2, TokensEnded: 6,
		}
		if d := cmp.Diff(want, u); d != "" {
			t.Errorf("u2 (-want +got):\n%s", d)
		}
		var listed []string
		for _, u := range s.Users.After("acme", 0, 0) {
			listed = append(listed, u.ID)
		}
		if d := cmp.Diff([]string{"u2", "u5"}, listed); d != "" {
			t.Errorf("listed (-want +got):\n%s", d)
		}
		if got := s.Users.After("acme", 1, 1); len(got) != 1 || got[0].ID != "u5" {
			t.Errorf("after u2: %v", got)
		}
		if u, ok := s.Users.ByHandle("h6"); !ok || u.ID != "u2" {
			t.Error("not found by the new handle")
		}
		for _, gone := range []string{"h1", "h2"} {
			if _, ok := s.Users.ByHandle(gone); ok {
				t.Errorf("found by %s, which ended", gone)
			}
		}
		erasures := []*projections.Erasure{
			{Organization: "acme", User: "u2", Handle: "h2", Email: []byte("sealed h2")},
			{Organization: "acme", User: "u1", Handle: "h1", Email: []byte("sealed h1"), Deleted: true},
		}
		if d := cmp.Diff(erasures, s.Users.Erasures()); d != "" {
			t.Errorf("to be erased (-want +got):\n%s", d)
		}
		if s.Users.Revision("acme") != 8 || s.Users.Revision("beta") != 2 || s.Users.Revision("gamma") != 0 || s.Users.Len() != 3 {
			t.Errorf("%d users at revisions %d and %d", s.Users.Len(), s.Users.Revision("acme"), s.Users.Revision("beta"))
		}
	}
	apply(t, s, on("acme", time.Minute, &events.UserErased{ID: "u1", Handle: "h2"})) // not u1's
	apply(t, s, on("beta", time.Minute, &events.UserErased{ID: "u1", Handle: "h1"})) // not beta's
	apply(t, s, on("acme", time.Minute, &events.UserErased{ID: "u1", Handle: "h1"}))
	if _, ok := s.Users.Erasure("h1"); ok || len(s.Users.Erasures()) != 1 {
		t.Errorf("still to be erased: %v", s.Users.Erasures())
	}
}

// TestLoginsEqualModel compares with a list of all failures.
func TestLoginsEqualModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, now := projections.New(), time.Duration(0)
		model := map[byte][]time.Duration{}
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			now += time.Duration(rapid.SampledFrom([]int{0, 1, 10, 999, 7_000, 61_000, 200_000}).Draw(t, "ms")) * time.Millisecond
			pair := byte(rapid.IntRange(1, 2).Draw(t, "pair"))
			var recent []time.Duration
			for _, at := range slices.Concat(model[1], model[2]) {
				if now-at < time.Minute {
					recent = append(recent, at)
				}
			}
			slices.Sort(recent)
			wantLeft, wantWait := max(0, 10-len(recent)), time.Duration(0)
			if wantLeft == 0 {
				wantWait = recent[len(recent)-10] + time.Minute - now
			}
			left, wait := s.Logins.Failures(epoch.Add(now), events.LoginPair{1}, events.LoginPair{2}, events.LoginPair{3})
			if left != wantLeft || wait != wantWait {
				t.Fatalf("%d left, wait %v; want %d, %v", left, wait, wantLeft, wantWait)
			}
			if left > 0 {
				apply(t, s, on("acme", now, failed(pair)))
				model[pair] = append(model[pair], now)
			}
		}
	})
}

func TestLoginsAreSweptByLogTime(t *testing.T) {
	s := projections.New()
	for i := range 200 {
		apply(t, s, on("acme", 0, failed(byte(i))))
	}
	before := len(encoded(t, s.Freeze()))
	apply(t, s, on("acme", 3*time.Minute, failed(1)))
	if after := len(encoded(t, s.Freeze())); after > before/10 {
		t.Errorf("the state has %d bytes, with 200 recent pairs it had %d", after, before)
	}
}
