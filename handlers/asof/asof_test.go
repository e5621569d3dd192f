package asof_test

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

func TestMoments(t *testing.T) {
	s := newSite(t, "o1", "o2", "o3")
	r := asof.New(s.config)
	at := func(d time.Duration) string { return epoch.Add(d).Format(time.RFC3339Nano) }
	for _, tc := range []struct {
		asOf     string
		position string // header
		shows    []string
		now      time.Time
	}{
		{"1", "1", []string{"o1"}, epoch},
		{"2", "2", []string{"o1", "o2"}, epoch.Add(time.Minute)},
		{"3", "3", []string{"o1", "o2", "o3"}, epoch.Add(2 * time.Minute)},
		{at(-1), "0", nil, epoch.Add(-1)},
		{at(0), "1", []string{"o1"}, epoch},
		{at(time.Minute - 1), "1", []string{"o1"}, epoch.Add(time.Minute - 1)},
		{at(time.Minute), "2", []string{"o1", "o2"}, epoch.Add(time.Minute)},
		{at(time.Hour), "3", []string{"o1", "o2", "o3"}, epoch.Add(time.Hour)},
		{"2024-01-02T14:01:30+02:00", "2", []string{"o1", "o2"}, epoch.Add(90 * time.Second)},
	} {
		c, w := request(t.Context(), url.Values{"as_of": {tc.asOf}})
		m, err := r.Query(c)
		if err != nil {
			t.Errorf("%s: %v", tc.asOf, err)
			continue
		}
		if diff := cmp.Diff(tc.shows, stateOf(m).Organizations.IDs()); diff != "" || !m.Now.Equal(tc.now) || m.AsOf == "" {
			t.Errorf("%s: judged at %v, bound %q\n%s", tc.asOf, m.Now, m.AsOf, diff)
		}
		if got := w.Header().Get(asof.Header); got != tc.position {
			t.Errorf("%s: position %s, want %s", tc.asOf, got, tc.position)
		}
		if got := w.Header().Get(asof.TimeHeader); got != tc.now.Format(time.RFC3339Nano) {
			t.Errorf("%s: judged at %s", tc.asOf, got)
		}
	}
}

func TestNowIsTheReplicasOwnState(t *testing.T) {
	s := newSite(t, "o1")
	c, w := request(t.Context(), nil)
	m, err := asof.New(s.config).Query(c)
	if err != nil || !m.Now.Equal(s.config.Now()) || m.AsOf != "" || w.Header().Get(asof.Header) != "" {
		t.Errorf("%+v, %v, header %v", m, err, w.Header())
	}
	s.follower.View(func(state *projections.State) {
		if stateOf(m) != state {
			t.Error("another state")
		}
	})
}

func TestBadMoments(t *testing.T) {
	s := newSite(t, "o1")
	r := asof.New(s.config)
	bad := map[string]url.Values{
		"repeated":              {"as_of": {"1", "1"}},
		"replica without as_of": {"replica": {"r_one"}},
		"empty replica":         {"as_of": {"1"}, "replica": {""}},
		"unknown replica":       {"as_of": {"1"}, "replica": {"r_none"}},
	}
	for _, text := range []string{
		"", "0", "-1", "2", "1.5", "1e3", "0x1", "9223372036854775808", "now", "2h", "2024-01-02", "2024-01-02T12:00:00", "2024-02-30T12:00:00Z",
		"0001-01-01T00:00:00Z", epoch.Add(time.Hour + 1).Format(time.RFC3339Nano), "9999-12-31T23:59:59Z", strings.Repeat("1", 10_000), "1\x00", "*",
	} {
		bad[text] = url.Values{"as_of": {text}}
	}
	for what, query := range bad {
		c, w := request(t.Context(), query)
		_, err := r.Query(c)
		var refusal *oauth.Error
		if !errors.As(err, &refusal) || refusal.Status != http.StatusBadRequest || w.Header().Get(asof.Header) != "" {
			t.Errorf("%.40q: %v", what, err)
		}
	}
}

// A state from a snapshot is the state of the log, and whoever asks for it
// again gets the same one.
func TestSnapshotAndReplayAgree(t *testing.T) {
	s := newSite(t, "o1", "o2", "o3", "o4")
	kept := asof.New(s.config)
	s.config.History = nil
	replayed := asof.New(s.config)
	for _, text := range []string{"1", "2", "3", "4", epoch.Format(time.RFC3339), epoch.Add(3 * time.Minute).Format(time.RFC3339)} {
		read := func(r *asof.Reader) *projections.State {
			c, _ := request(t.Context(), url.Values{"as_of": {text}})
			m, err := r.Whole(c)
			if err != nil {
				t.Fatal(err)
			}
			return stateOf(m)
		}
		first := read(kept)
		if first.Hash() != read(replayed).Hash() {
			t.Errorf("%s: snapshot and log give different states", text)
		}
		if read(kept) != first {
			t.Errorf("%s: folded twice", text)
		}
	}
}

// What a replica had applied is what it says on its records: here, everything
// before each of them.
func TestWhatAReplicaHadApplied(t *testing.T) {
	s := newSite(t, "o1", "o2", "o3")
	r := asof.New(s.config)
	for text, want := range map[string]int{
		epoch.Format(time.RFC3339):                      http.StatusBadRequest, // it had applied nothing
		epoch.Add(time.Minute).Format(time.RFC3339):     1,
		epoch.Add(2 * time.Minute).Format(time.RFC3339): 2,
		"3": 2,
	} {
		c, w := request(t.Context(), url.Values{"as_of": {text}, "replica": {"r_one"}})
		m, err := r.Query(c)
		var refusal *oauth.Error
		if errors.As(err, &refusal) {
			if refusal.Status != want {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err != nil || len(stateOf(m).Organizations.IDs()) != want || w.Header().Get(asof.Header) != strconv.Itoa(want) {
			t.Errorf("%s: %v, position %s", text, err, w.Header().Get(asof.Header))
		}
	}
}
