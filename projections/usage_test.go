package projections_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

func founded(limits events.Limits) page {
	return on("acme", 0, &events.OrganizationCreated{ID: "acme", Name: "Acme", Limits: limits})
}

func calls(application string, admitted int) events.Usage {
	return events.Usage{Organization: "acme", Application: application, Secret: 1, Admitted: admitted}
}

// A window counts exactly the calls of its units, whoever accounted for them
// and in whatever order: the naive model remembers every call.
func TestWindowsEqualModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := replayed(t, []page{founded(events.Limits{}), on("acme", 0, created("a1", false)), on("acme", 0, created("a2", false))})
		type call struct {
			application string
			second      int64
			n           int
		}
		var made []call
		var clock time.Duration // the fastest replica's
		for report := range rapid.IntRange(1, 80).Draw(t, "accounts") {
			clock += time.Duration(rapid.SampledFrom([]int{0, 1, 1, 2, 7, 30, 61, 300, 3700}).Draw(t, "step")) * time.Second
			after := clock - time.Duration(rapid.IntRange(0, 30).Draw(t, "slow"))*time.Second
			u := calls(rapid.SampledFrom([]string{"a1", "a2"}).Draw(t, "app"), rapid.IntRange(1, 9).Draw(t, "calls"))
			u.Second = epoch.Add(after).Unix() - int64(rapid.IntRange(0, 3).Draw(t, "late"))
			apply(t, s, accounted(fmt.Sprint("r_", report%3), uint64(report/3+1), after, u))
			made = append(made, call{u.Application, u.Second, u.Admitted})
		}
		now := epoch.Add(clock + time.Duration(rapid.IntRange(-30, 90).Draw(t, "now"))*time.Second)
		for _, app := range []string{"a1", "a2", ""} {
			minute, hour := 0, 0
			for _, c := range made {
				if app != "" && c.application != app {
					continue
				}
				if c.second >= now.Unix()-60 {
					minute += c.n
				}
				if c.second/60 >= now.Unix()/60-60 {
					hour += c.n
				}
			}
			counters := s.Usage.Organization("acme")
			if app != "" {
				counters = s.Usage.Application(app)
			}
			if m, h := counters.Minute(now), counters.Hour(now); m.Calls != minute || h.Calls != hour {
				t.Fatalf("%q at %v: %d and %d calls, want %d and %d", app, now.Sub(epoch), m.Calls, h.Calls, minute, hour)
			}
		}
	})
}

func TestLeaves(t *testing.T) {
	s := replayed(t, []page{
		founded(events.Limits{}), on("acme", 0, created("a1", false)),
		accounted("r_1", 1, 10*time.Second, calls("a1", 2)),
		accounted("r_1", 2, 30*time.Second, calls("a1", 3)),
	})
	c, now := s.Usage.Application("a1"), epoch.Add(40*time.Second)
	at := func(d time.Duration) int64 { return epoch.Add(d).Unix() }
	if got, want := c.Minute(now), (projections.Count{Calls: 5, Leaves: at(71 * time.Second)}); got != want {
		t.Errorf("minute %+v, want %+v", got, want)
	}
	if got, want := c.Hour(now), (projections.Count{Calls: 5, Leaves: at(61 * time.Minute)}); got != want {
		t.Errorf("hour %+v, want %+v", got, want)
	}
	for n, want := range map[int]time.Duration{1: 71 * time.Second, 2: 71 * time.Second, 3: 91 * time.Second, 5: 91 * time.Second, 6: 101 * time.Second} {
		if got := c.MinuteLeaves(now, n); got != at(want) {
			t.Errorf("%d of the minute have left at %d, want %d", n, got, at(want))
		}
	}
	// The bound is met to the second.
	if before, after := c.Minute(epoch.Add(70*time.Second)), c.Minute(epoch.Add(71*time.Second)); before.Calls != 5 || after.Calls != 3 {
		t.Errorf("%d calls before one leaves and %d after", before.Calls, after.Calls)
	}
}

func TestAnAccountCountsOnce(t *testing.T) {
	s := replayed(t, []page{
		founded(events.Limits{}), on("acme", 0, created("a1", false)),
		accounted("r_1", 1, time.Second, calls("a1", 2)),
		accounted("r_1", 1, time.Second, calls("a1", 2)), // written twice
		accounted("r_2", 1, time.Second, calls("a1", 3)),
		accounted("r_1", 2, time.Second, calls("a1", -1)), // one taken back
		accounted("r_2", 2, time.Second, events.Usage{Organization: "beta", Application: "a1", Admitted: 100}),
		accounted("r_2", 3, time.Second, events.Usage{Organization: "acme", Application: "unknown", Admitted: 10}),
	})
	now := epoch.Add(time.Second)
	if got := s.Usage.Application("a1").Minute(now).Calls; got != 4 {
		t.Errorf("%d calls of the application, want 4", got)
	}
	if got := s.Usage.Organization("acme").Minute(now).Calls; got != 14 {
		t.Errorf("%d calls of the organization, want 14", got)
	}
	if got := s.Usage.Report("r_1").Number; got != 2 {
		t.Errorf("account %d of r_1, want 2", got)
	}
}

// The fold says by how much an account exceeds a limit where it landed.
func TestVerdict(t *testing.T) {
	s := replayed(t, []page{
		founded(events.Limits{PerMinute: 60}), on("acme", 0, created("a1", false)), on("acme", 0, created("a2", false)),
		accounted("r_1", 1, time.Second, calls("a1", 49)),
		accounted("r_2", 1, time.Second, calls("a1", 1)),
		accounted("r_3", 1, time.Second, calls("a1", 2), calls("a2", 10)),
	})
	for replica, want := range map[string]projections.Report{
		"r_1": {Replica: "r_1", Number: 1, Time: epoch.Unix() + 1},
		"r_2": {Replica: "r_2", Number: 1, Time: epoch.Unix() + 1},
		"r_3": {
			Replica: "r_3", Number: 1, Time: epoch.Unix() + 1,
			Applications: map[string]int{"a1": 2}, Organizations: map[string]int{"acme": 2},
		},
	} {
		if diff := cmp.Diff(want, s.Usage.Report(replica)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", replica, diff)
		}
	}
}

func TestUsageBuckets(t *testing.T) {
	s := replayed(t, []page{
		founded(events.Limits{}), on("acme", 0, created("a1", false)),
		accounted("r_1", 1, time.Minute, events.Usage{Organization: "acme", Application: "a1", Secret: 1, Admitted: 4, Errors: 1, Refused: 1}),
		accounted("r_2", 1, 61*time.Second, events.Usage{Organization: "acme", Application: "a1", Secret: 2, Admitted: 1}),
		accounted("r_2", 2, 2*time.Hour, events.Usage{Organization: "acme", Application: "a1", Secret: 2, Refused: 3}),
	})
	c := s.Usage.Application("a1")
	at := func(d time.Duration) time.Time { return epoch.Add(d) }
	for _, tt := range []struct {
		step     projections.Step
		from, to time.Duration
		want     []projections.Bucket
	}{
		{projections.StepMinute, 0, 3 * time.Hour, []projections.Bucket{
			{at(time.Minute), 5, 1, 1}, {at(2 * time.Hour), 0, 0, 3},
		}},
		{projections.StepHour, 0, 3 * time.Hour, []projections.Bucket{{at(0), 5, 1, 1}, {at(2 * time.Hour), 0, 0, 3}}},
		{projections.StepHour, time.Hour, 3 * time.Hour, []projections.Bucket{{at(2 * time.Hour), 0, 0, 3}}},
		{projections.StepHour, time.Minute, 2 * time.Hour, []projections.Bucket{{at(0), 5, 1, 1}}},
		{projections.StepDay, 0, 24 * time.Hour, []projections.Bucket{{at(-11 * time.Hour), 5, 1, 4}}},
	} {
		if diff := cmp.Diff(tt.want, c.Buckets(tt.step, at(tt.from), at(tt.to))); diff != "" {
			t.Errorf("%v from %v to %v (-want +got):\n%s", tt.step, tt.from, tt.to, diff)
		}
	}
	if got := c.LastAccess(); !got.Equal(at(2 * time.Hour)) {
		t.Errorf("last access %v", got)
	}
	want := []projections.SecretUse{{Version: 1, Last: at(time.Minute).Unix()}, {Version: 2, Last: at(2 * time.Hour).Unix()}}
	if diff := cmp.Diff(want, c.Secrets()); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	var none *projections.Counters
	if len(none.Buckets(projections.StepDay, at(0), at(time.Hour))) > 0 || !none.LastAccess().IsZero() || none.Secrets() != nil {
		t.Error("an application that never called has calls")
	}
}

func TestASecretIsUsedWhenItIsPresented(t *testing.T) {
	s := replayed(t, []page{
		on("acme", 0, created("a1", false)),
		on("acme", time.Second, issued(1, "a1", 1, time.Second, time.Hour)),
		on("acme", 2*time.Second, rotated("a1", epoch.Add(time.Hour))),
		on("acme", 3*time.Second, issued(2, "a1", 2, 3*time.Second, time.Hour)),
		on("beta", 4*time.Second, issued(3, "a1", 2, 4*time.Second, time.Hour)), // not its organization
	})
	want := []projections.SecretUse{{1, epoch.Unix() + 1}, {2, epoch.Unix() + 3}}
	if diff := cmp.Diff(want, s.Usage.Application("a1").Secrets()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	s := replayed(t, []page{founded(events.Limits{}), on("acme", 0, created("a1", false))})
	year := 366 * 24 * time.Hour
	report := uint64(0)
	for after := time.Duration(0); after < 2*year; after += 3 * time.Hour {
		for second := range 3 { // more than one unit of each kind
			report++
			apply(t, s, accounted("r_1", report, after+time.Duration(second)*61*time.Second, calls("a1", 1)))
		}
	}
	c, end := s.Usage.Application("a1"), epoch.Add(2*year)
	for _, tt := range []struct {
		step projections.Step
		most int
	}{{projections.StepMinute, 131}, {projections.StepHour, 745}, {projections.StepDay, 402}} {
		if n := len(c.Buckets(tt.step, epoch, end)); n == 0 || n > tt.most {
			t.Errorf("%d buckets of step %v, want at most %d", n, tt.step, tt.most)
		}
	}
	// A silent year leaves the last access and nothing else.
	apply(t, s, on("acme", 4*year, &events.BeaconSent{Nonce: "n"}))
	c = s.Usage.Application("a1")
	if n := len(c.Buckets(projections.StepDay, epoch, epoch.Add(5*year))); n != 0 || c.LastAccess().IsZero() {
		t.Errorf("%d days are kept of an idle application, last access %v", n, c.LastAccess())
	}
	if got := s.Usage.Report("r_1"); got.Number != 0 {
		t.Error("the last account of a replica that is gone is kept for ever")
	}
}

func TestADeletedApplicationIsForgotten(t *testing.T) {
	s := replayed(t, []page{
		founded(events.Limits{}), on("acme", 0, created("a1", false)),
		accounted("r_1", 1, time.Second, calls("a1", 5)),
		on("beta", 2*time.Second, &events.ApplicationDeleted{ID: "a1"}), // not its to delete
	})
	if s.Usage.Application("a1") == nil {
		t.Fatal("forgotten while it exists")
	}
	apply(t, s, on("acme", 3*time.Second, &events.ApplicationDeleted{ID: "a1"}))
	if s.Usage.Application("a1") != nil {
		t.Error("not forgotten")
	}
	// What it used stays used: a new application gets no fresh bucket.
	if got := s.Usage.Organization("acme").Minute(epoch.Add(4 * time.Second)).Calls; got != 5 {
		t.Errorf("%d calls of the organization, want 5", got)
	}
}
