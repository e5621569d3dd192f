package replay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
)

// then is a history of events at so many seconds after epoch.
type then struct{ records []*Record }

func (h *then) add(after int, replica string, data ...events.Data) {
	r := &Record{Position: events.Position(len(h.records) + 1)}
	for _, d := range data {
		e := events.Event{ID: "e", Time: epoch.Add(time.Duration(after) * time.Second), Organization: "acme", Data: d}
		e.Actor.Replica = replica
		r.Events = append(r.Events, e)
	}
	h.records = append(h.records, r)
}

func (h *then) read(_ context.Context, fn func(*Record) error) error {
	for _, r := range h.records {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// issue adds a token of a secret version that lives from one second to another.
func (h *then) issue(secret, from, to int) {
	h.add(from, "r1", &events.TokenIssued{
		ID: events.NewTokenID(), Application: "a1", Secret: secret, IssuedAt: epoch.Unix() + int64(from), ExpiresAt: epoch.Unix() + int64(to),
	})
}

// call adds an account of calls in one second.
func (h *then) call(report uint64, secret, second, admitted, refused int) {
	h.add(second+1, "r1", &events.UsageRecorded{Report: report, Usage: []events.Usage{
		{Organization: "acme", Application: "a1", Secret: secret, Second: epoch.Unix() + int64(second), Admitted: admitted, Refused: refused},
	}})
}

func supposed(t *testing.T, h *then, a Assumption) *WhatIf {
	t.Helper()
	found, err := FindWhatIf(t.Context(), History{Each: h.read}, a, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func at(second int) time.Time { return epoch.Add(time.Duration(second) * time.Second) }

// A shorter life ends tokens before calls that were recorded.
func TestWhatIfTokensLivedShorter(t *testing.T) {
	h := &then{}
	h.add(0, "r1", &events.ApplicationCreated{ID: "a1", ClientID: "app_1", ApplicationSettings: events.ApplicationSettings{Name: "First"}})
	h.issue(1, 0, 3600)
	h.call(1, 1, 299, 2, 0) // the last second of a life of 300
	h.call(2, 1, 300, 3, 1) // the first after it
	h.call(2, 1, 300, 3, 1) // written twice
	h.issue(1, 400, 4000)
	h.call(3, 1, 500, 5, 0)  // the second token may have been used, or the first
	h.call(4, 2, 600, 7, 0)  // of a version that was given no token: nothing is known
	h.call(5, 1, 3700, 1, 0) // the second one is left
	h.issue(3, 3700, 3760)   // lives shorter by itself
	h.call(6, 3, 3759, 1, 0)
	want := Affected{
		Organization: "acme", Application: "a1", Name: "First", Tokens: 3, Admitted: 19, Refused: 1,
		ExpiredAtUse: 2, Certain: 4, Possible: 5, PeakMinute: 7, PeakHour: 19, First: at(300), Last: at(3700),
	}
	found := supposed(t, h, Assumption{TokenLifetime: 300 * time.Second})
	if diff := cmp.Diff([]Affected{want}, found.Clients); diff != "" {
		t.Error(diff)
	}
	if found.Affected != 1 || len(found.Resolution) != 1 || found.Assumption.Seconds != 300 || found.AsOf != (Bound{events.Position(len(h.records)), at(3760)}) {
		t.Errorf("%+v", found)
	}
	for _, longer := range []time.Duration{time.Hour, 24 * time.Hour} {
		if found := supposed(t, h, Assumption{TokenLifetime: longer}); found.Affected != 0 {
			t.Errorf("a life of %v: %+v", longer, found.Clients)
		}
	}
}

// A lower limit refuses calls that were admitted, in sliding windows as the
// guard's, and what it refuses takes no place in them.
func TestWhatIfLimitsWereLower(t *testing.T) {
	h := &then{}
	h.call(1, 1, 0, 8, 0)
	h.call(2, 1, 30, 4, 3)
	h.call(3, 1, 30, -1, 0) // the log's order refused one
	h.call(4, 1, 60, 5, 0)  // the first 8 still count
	h.call(5, 1, 61, 6, 0)  // they are gone
	h.call(6, 1, 4000, 2, 0)
	for name, tc := range map[string]struct {
		assumed Assumption
		over    int
		first   time.Time
		last    time.Time
	}{
		"above the peak":  {Assumption{PerMinute: 16}, 0, time.Time{}, time.Time{}},
		"at the peak":     {Assumption{PerMinute: 15}, 1, at(60), at(60)},
		"ten a minute":    {Assumption{PerMinute: 10}, 6, at(30), at(60)},
		"none but one":    {Assumption{PerMinute: 1}, 7 + 3 + 5 + 5 + 1, at(0), at(4000)},
		"an hour":         {Assumption{PerHour: 20}, 2, at(61), at(61)},
		"both":            {Assumption{PerMinute: 10, PerHour: 12}, 1 + 5 + 4, at(30), at(61)},
		"nothing assumed": {Assumption{}, 0, time.Time{}, time.Time{}},
	} {
		found := supposed(t, h, tc.assumed)
		got := found.Clients[0]
		if got.OverLimit != tc.over || !got.First.Equal(tc.first) || !got.Last.Equal(tc.last) || got.PeakMinute != 16 || got.PeakHour != 22 || got.Admitted != 24 || got.Refused != 3 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The answers are those of a model that looks at every token and every call.
func TestWhatIfAgreesWithANaiveModel(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 7))
		h := &then{}
		type token struct{ secret, from, to int }
		var tokens []token
		made := map[[2]int]int{} // second and secret → calls
		for n := uint64(1); n < 60; n++ {
			second := random.IntN(900)
			if random.IntN(2) == 0 {
				k := token{1 + random.IntN(2), second, second + 60 + random.IntN(300)}
				tokens = append(tokens, k)
				h.issue(k.secret, k.from, k.to)
				continue
			}
			secret, calls := 1+random.IntN(2), 1+random.IntN(9)
			made[[2]int{second, secret}] += calls
			h.call(n, secret, second, calls, 0)
		}
		life, limit := 30+random.IntN(200), 5+random.IntN(20)
		var want Affected
		for at, calls := range made {
			younger, older := false, false
			for _, k := range tokens {
				if k.secret == at[1] && k.from <= at[0] && at[0] < k.to {
					younger, older = younger || at[0] < k.from+life, older || at[0] >= k.from+life
				}
			}
			if older && !younger {
				want.Certain += calls
			} else if older {
				want.Possible += calls
			}
		}
		for _, k := range tokens {
			last := -1
			for at := range made {
				if at[1] == k.secret && at[0] < k.to {
					last = max(last, at[0])
				}
			}
			if last >= k.from+life {
				want.ExpiredAtUse++
			}
		}
		admitted := [1000]int{}
		for second := range 1000 {
			inWindow := 0
			for _, n := range admitted[max(0, second-60):second] {
				inWindow += n
			}
			calls := made[[2]int{second, 1}] + made[[2]int{second, 2}]
			admitted[second] = min(calls, max(0, limit-inWindow))
			want.OverLimit += calls - admitted[second]
		}
		found := supposed(t, h, Assumption{TokenLifetime: time.Duration(life) * time.Second, PerMinute: limit})
		if len(found.Clients) == 0 && len(tokens)+len(made) == 0 {
			continue
		}
		got := found.Clients[0]
		describe := func(a Affected) string { return fmt.Sprint(a.Certain, a.Possible, a.ExpiredAtUse, a.OverLimit) }
		if describe(got) != describe(want) {
			t.Errorf("seed %d, life %d, limit %d: %s, want %s", seed, life, limit, describe(got), describe(want))
		}
	}
}
