package login

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

func TestLogin(t *testing.T) {
	s := newSite(t)
	r, ctx := s.replica(), t.Context()
	agent, disabled, mute := r.create("Agent@Example.com"), r.create("disabled@example.com"), r.create("deleted@example.com")
	if _, err := r.Emit.Do(ctx, emit.Meta{}, func(st *projections.State, _ time.Time) (command.Decision, error) {
		return command.SetDisabled(st, command.Target{Organization: "acme", ID: disabled.ID}, true)
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.office.Delete(ctx, emit.Meta{}, mute); err != nil {
		t.Fatal(err)
	}
	other := s.replica()
	for _, email := range []string{"agent@example.com", "Agent@Example.com", "AGENT@EXAMPLE.COM"} {
		if u, err := other.try(email, right, "192.0.2.1"); err != nil || u.ID != agent.ID || u.Version != 1 {
			t.Errorf("%s: %+v, %v", email, u, err)
		}
	}
	for name, c := range map[string][2]string{
		"wrong password":    {"agent@example.com", "quite wrong"},
		"empty password":    {"agent@example.com", ""},
		"unknown address":   {"nobody@example.com", right},
		"no address":        {"", right},
		"a strange address": {"\x00>*. " + strings.Repeat("x", 5000), right},
		"disabled user":     {"disabled@example.com", right},
		"deleted user":      {"deleted@example.com", right},
	} {
		u, err := other.try(c[0], c[1], "192.0.2.1")
		if u != nil || !errors.Is(err, command.ErrLoginFailed) {
			t.Errorf("%s: %v, %v", name, u, err)
		}
	}
	if _, err := other.Check(ctx, Attempt{Organization: "globex", Email: "agent@example.com", Password: right}); !errors.Is(err, command.ErrLoginFailed) {
		t.Errorf("another organization: %v", err)
	}
	failed, log := s.failures()
	if len(failed) != 8 {
		t.Errorf("%d failures are recorded", len(failed))
	}
	for _, text := range []string{"example.com", "192.0.2.1", "quite wrong", "correct horse"} {
		if bytes.Contains(log, []byte(text)) {
			t.Errorf("the log holds %q", text)
		}
	}
}

// Ten failures within a minute close a pair, on every replica, old and new;
// nobody else. Successes do not open it.
func TestThrottleIsTheLogs(t *testing.T) {
	s := newSite(t)
	a, b := s.replica(), s.replica()
	a.create("agent@example.com")
	a.create("other@example.com")
	for i := range projections.MaxLoginFailures {
		r := []*replica{a, b}[i%2]
		r.base.Sync()
		if i == 5 {
			if _, err := r.try("agent@example.com", right, "192.0.2.1"); err != nil {
				t.Fatalf("after %d failures: %v", i, err)
			}
		}
		if _, err := r.try("Agent@example.com", "wrong", "192.0.2.1"); !errors.Is(err, command.ErrLoginFailed) {
			t.Fatalf("failure %d: %v", i, err)
		}
	}
	a.base.Sync()
	for name, r := range map[string]*replica{"one": a, "the other": b, "one that started since": s.replica()} {
		if _, err := r.try("agent@EXAMPLE.com", right, "192.0.2.1"); !throttled(err, 1, 60) {
			t.Errorf("%s: %v", name, err)
		}
		for _, open := range [][2]string{{"agent@example.com", "192.0.2.2"}, {"other@example.com", "192.0.2.1"}} {
			if _, err := r.try(open[0], right, open[1]); err != nil {
				t.Errorf("%s: %v: %v", name, open, err)
			}
		}
	}
	before, _ := s.failures()
	if len(before) != projections.MaxLoginFailures {
		t.Errorf("%d failures are recorded", len(before))
	}
	s.pass(projections.LoginWindow)
	if _, err := b.try("agent@example.com", right, "192.0.2.1"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func throttled(err error, least, most int) bool {
	var answer *oauth.Error
	return errors.As(err, &answer) && answer.Status == http.StatusTooManyRequests && answer.RetryAfter >= least && answer.RetryAfter <= most
}

// However many come at once, no more passwords are checked than may fail.
func TestABurstChecksNoMoreThanMayFail(t *testing.T) {
	s := newSite(t)
	r := s.replica()
	r.create("agent@example.com")
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed, refused := 0, 0
	for range 40 {
		wg.Go(func() {
			_, err := r.try("agent@example.com", "wrong", "192.0.2.1")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, command.ErrLoginFailed):
				failed++
			case throttled(err, 1, 60):
				refused++
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	recorded, _ := s.failures()
	if failed != projections.MaxLoginFailures || refused != 30 || len(recorded) != failed {
		t.Errorf("%d failed, %d were refused, %d are recorded", failed, refused, len(recorded))
	}
	if n := len(r.turnstile.pairs); n != 0 {
		t.Errorf("the turnstile holds %d lines when nobody is there", n)
	}
}

// A burst of right passwords from one address is only put in a line.
func TestABurstOfSuccesses(t *testing.T) {
	s := newSite(t)
	r := s.replica()
	r.create("agent@example.com")
	var wg sync.WaitGroup
	for range 15 {
		wg.Go(func() {
			if _, err := r.try("agent@example.com", right, "192.0.2.1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Failures just before midnight count after it, though the salt is another.
func TestMidnight(t *testing.T) {
	s := newSite(t)
	r := s.replica()
	r.create("agent@example.com")
	now := s.now().UTC()
	s.pass(now.Truncate(24 * time.Hour).Add(24*time.Hour - 5*time.Second).Sub(now))
	for range projections.MaxLoginFailures {
		if _, err := r.try("agent@example.com", "wrong", "192.0.2.1"); !errors.Is(err, command.ErrLoginFailed) {
			t.Fatal(err)
		}
	}
	s.pass(10 * time.Second)
	for name, r := range map[string]*replica{"the same replica": r, "a new one": s.replica()} {
		if _, err := r.try("agent@example.com", right, "192.0.2.1"); !throttled(err, 1, 55) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.pass(time.Minute)
	if _, err := r.try("agent@example.com", right, "192.0.2.1"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// A pair is the same on all replicas for a day; then its salt is gone, and with
// it the way from an account to what the log holds.
func TestSalts(t *testing.T) {
	s := newSite(t)
	a, b, ctx := s.replica(), s.replica(), t.Context()
	attempt := Attempt{Organization: "acme", Email: "agent@example.com", Address: "192.0.2.1"}
	pairs := func(r *replica, at Attempt) string {
		t.Helper()
		p, err := r.pairs(ctx, at)
		if err != nil || len(p) != 1 {
			t.Fatalf("%v, %v", p, err)
		}
		return string(p[0][:])
	}
	first := pairs(a, attempt)
	if pairs(b, attempt) != first || pairs(s.replica(), attempt) != first {
		t.Error("another pair on another replica")
	}
	same := attempt
	same.Email = "AGENT@example.com"
	if pairs(a, same) != first {
		t.Error("another pair for another spelling")
	}
	for name, other := range map[string]Attempt{
		"organization": {"globex", attempt.Email, "", attempt.Address, emit.Meta{}},
		"email":        {"acme", "other@example.com", "", attempt.Address, emit.Meta{}},
		"address":      {"acme", attempt.Email, "", "192.0.2.2", emit.Meta{}},
		"boundary":     {"acmea", "gent@example.com", "", attempt.Address, emit.Meta{}},
	} {
		if pairs(a, other) == first {
			t.Errorf("the same pair for another %s", name)
		}
	}
	days := []string{first}
	for range 3 {
		s.pass(24 * time.Hour)
		days = append(days, pairs(b, attempt))
	}
	for i := range days {
		for j := range i {
			if days[i] == days[j] {
				t.Errorf("days %d and %d have one pair", i, j)
			}
		}
	}
	if left, err := a.Store.List(ctx, saltKey); err != nil || len(left) != 2 {
		t.Errorf("%d salts are kept (%v), want those of today and yesterday", len(left), err)
	}
	if n := len(b.salts.known); n > 2 {
		t.Errorf("%d salts are remembered", n)
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":             "192.0.2.1",
		"::ffff:192.0.2.1":      "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":  "2001:db8:1:2::/64",
		"2001:db8:1:2::1":       "2001:db8:1:2::/64",
		"2001:db8:1:3::1":       "2001:db8:1:3::/64",
		"fe80::1%eth0":          "fe80::/64",
		"":                      "",
		"not an address at all": "not an address at all",
	} {
		if got := network(address); got != want {
			t.Errorf("%s counts as %s, want %s", address, got, want)
		}
	}
}

// While the log or the bucket cannot be asked, nobody is let in and nobody is
// told that the password is wrong.
func TestWithoutTheLog(t *testing.T) {
	s := newSite(t)
	r := s.replica()
	r.create("agent@example.com")
	if _, err := r.try("agent@example.com", right, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	for _, password := range []string{right, "wrong"} {
		u, err := r.try("agent@example.com", password, "192.0.2.1")
		if u != nil || err == nil || errors.Is(err, command.ErrLoginFailed) {
			t.Errorf("%q: %v, %v", password, u, err)
		}
	}
}
