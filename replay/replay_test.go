package replay

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
)

// writer appends to a real log, at times of its choice.
type writer struct {
	*journal.Journal
	t testing.TB
	n int
}

func newWriter(t testing.TB) *writer { return &writer{Journal: journaltest.New(t).Open(), t: t} }

// page appends one record whose events happened so long after epoch.
func (w *writer) page(after []time.Duration, data ...events.Data) {
	w.t.Helper()
	subject, err := events.SubjectFor("acme", data[len(data)-1])
	if err != nil {
		w.t.Fatal(err)
	}
	var evs []*events.Event
	for i, d := range data {
		w.n++
		evs = append(evs, &events.Event{ID: fmt.Sprintf("e_%d", w.n), Time: epoch.Add(after[i]), Organization: "acme", Data: d})
	}
	if _, err := w.Append(w.t.Context(), subject, evs...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *writer) at(after time.Duration, d events.Data) {
	w.t.Helper()
	w.page([]time.Duration{after}, d)
}

func token(n byte, life time.Duration) *events.TokenIssued {
	return &events.TokenIssued{
		ID: events.TokenID{n}, Application: "a1", Secret: 1, Grant: "client_credentials", Key: "k1",
		IssuedAt: epoch.Unix(), ExpiresAt: epoch.Add(life).Unix(),
	}
}

// small is a log of five records: an organization, an application, a page of
// two tokens that were issued a minute apart, and a rotation.
func small(t testing.TB) *writer {
	w := newWriter(t)
	w.at(0, &events.OrganizationCreated{ID: "acme", Name: "Acme"})
	w.at(time.Minute, &events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}})
	w.page([]time.Duration{2 * time.Minute, 3 * time.Minute}, token(1, time.Hour), token(2, time.Hour))
	w.at(150*time.Second, &events.BeaconSent{Nonce: "from a clock that is behind"})
	w.at(4*time.Minute, &events.SecretRotated{ID: "a1", Secret: &events.SecretDigest{2}})
	return w
}

func TestMomentsOfALog(t *testing.T) {
	w := small(t)
	for _, tc := range []struct {
		what   string
		moment Moment
		want   events.Position
		until  time.Duration // since epoch; 0: not known
		clock  time.Duration
	}{
		{"all of it", Moment{}, 5, 0, 4 * time.Minute},
		{"a position", Moment{Position: 2}, 2, 0, time.Minute},
		{"the last position", Moment{Position: 5}, 5, 0, 4 * time.Minute},
		{"before everything", Moment{Time: epoch.Add(-1)}, 0, -1, -1},
		{"the time of a record", Moment{Time: epoch.Add(time.Minute)}, 2, 3 * time.Minute, time.Minute},
		{"within a page: it counts whole or not at all", Moment{Time: epoch.Add(2 * time.Minute)}, 2, 3 * time.Minute, 2 * time.Minute},
		{"the end of a page", Moment{Time: epoch.Add(3 * time.Minute)}, 4, 4 * time.Minute, 3 * time.Minute},
		{"after everything", Moment{Time: epoch.Add(time.Hour)}, 5, 0, time.Hour},
	} {
		past, err := At(t.Context(), w, projections.New(), tc.moment, nil)
		if err != nil || past.State.Position != tc.want {
			t.Errorf("%s: position %d, want %d (%v)", tc.what, past.State.Position, tc.want, err)
			continue
		}
		until := epoch.Add(tc.until)
		if tc.until == 0 {
			until = time.Time{}
		} else if tc.until < 0 {
			until = epoch
		}
		if !past.Until.Equal(until) {
			t.Errorf("%s: until %v, want %v", tc.what, past.Until, until)
		}
		if got := tc.moment.Clock(past.State); !got.Equal(epoch.Add(tc.clock)) {
			t.Errorf("%s: judged at %v", tc.what, got)
		}
	}
	if _, err := At(t.Context(), w, projections.New(), Moment{Position: 6}, nil); !errors.Is(err, ErrBeyond) {
		t.Errorf("past the end: %v", err)
	}
}

// A state answers for the times at which the log was where it stands.
func TestHowLongAStateHolds(t *testing.T) {
	w := small(t)
	past, err := At(t.Context(), w, projections.New(), Moment{Time: epoch.Add(90 * time.Second)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]bool{
		time.Minute - 1: false, time.Minute: true, 3*time.Minute - 1: true, 3 * time.Minute: false,
	} {
		if got := past.Holds(epoch.Add(after), 5); got != want {
			t.Errorf("%v after: %v", after, got)
		}
	}
	end, err := At(t.Context(), w, projections.New(), Moment{}, nil)
	if err != nil || !end.Holds(epoch.Add(time.Hour), 5) || end.Holds(epoch.Add(time.Hour), 6) {
		t.Errorf("the end of the log holds until the log goes on (%v)", err)
	}
}

// The hash is the same from the first record and from any snapshot on the way,
// and however many processors take part.
func TestStateHashIsTheSameEveryWay(t *testing.T) {
	w := small(t)
	for i := range 40 {
		w.at(5*time.Minute+time.Duration(i)*time.Minute, token(byte(10+i), time.Duration(i)*time.Minute))
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	hashes := map[[32]byte][]string{}
	for _, processors := range []int{1, 2, 8} {
		runtime.GOMAXPROCS(processors)
		for _, cut := range []events.Position{0, 1, 3, 20, 45} {
			state := projections.New()
			if cut > 0 {
				if _, err := At(t.Context(), w, state, Moment{Position: cut}, nil); err != nil {
					t.Fatal(err)
				}
				var snapshot bytes.Buffer
				if err := state.Freeze().Encode(&snapshot); err != nil {
					t.Fatal(err)
				}
				var err error
				if state, err = projections.Decode(&snapshot); err != nil {
					t.Fatal(err)
				}
			}
			past, err := At(t.Context(), w, state, Moment{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			hash := past.State.Hash()
			hashes[hash] = append(hashes[hash], fmt.Sprintf("%d processors from %d", processors, cut))
		}
	}
	report, err := Verify(t.Context(), w, Options{})
	if err != nil || len(hashes) != 1 || len(hashes[report.StateHash]) == 0 {
		t.Errorf("%v, verify says %x: %v", err, report.StateHash, hashes)
	}
}

func TestProgressReachesTheEnd(t *testing.T) {
	w := small(t)
	var told []events.Position
	if _, err := At(t.Context(), w, projections.New(), Moment{Position: 4}, func(at, last events.Position) {
		if last != 4 {
			t.Errorf("the end is %d", last)
		}
		told = append(told, at)
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]events.Position{1, 2, 3, 4}, told); diff != "" {
		t.Error(diff)
	}
}
