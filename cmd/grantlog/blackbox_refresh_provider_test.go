package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// lossy stands between a server and its provider: it notes what is refreshed
// and, once, keeps an answer that the provider gave.
type lossy struct {
	*httptest.Server
	provider *server

	mu       sync.Mutex
	requests []refreshing
	lose     bool
	lost     chan refreshing // the one whose answer was lost
	forget   chan struct{}   // closed: whoever waits for it is gone
}

// refreshing is a refresh as the provider saw and answered it.
type refreshing struct {
	token, key, successor string
	status                int
}

func newLossy(t *testing.T, provider *server) *lossy {
	l := &lossy{provider: provider, lost: make(chan refreshing, 1), forget: make(chan struct{})}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

func (l *lossy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	forward, err := http.NewRequest(r.Method, l.provider.issuer()+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	forward.Header = r.Header
	resp, err := l.provider.base.RoundTrip(forward)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || l.note(body, r.Header, resp.StatusCode, answer) {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	w.Write(answer)
}

// note reports whether the answer is to be lost; then nobody waits for it.
func (l *lossy) note(form []byte, h http.Header, status int, answer []byte) bool {
	values, err := url.ParseQuery(string(form))
	if err != nil || values.Get("grant_type") != "refresh_token" {
		return false
	}
	var given session
	_ = json.Unmarshal(answer, &given) // an error has no token
	l.mu.Lock()
	r := refreshing{values.Get("refresh_token"), h.Get("Idempotency-Key"), given.RefreshToken, status}
	l.requests = append(l.requests, r)
	lose := l.lose
	l.lose = false
	l.mu.Unlock()
	if lose {
		l.lost <- r
		<-l.forget
	}
	return lose
}

func (l *lossy) loseNext() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = true
}

func (l *lossy) seen() []refreshing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]refreshing(nil), l.requests...)
}

// times tells how often each refresh token was presented. It was always the same
// request and got the same answer, or something was lost.
func (l *lossy) times(t *testing.T) map[string]int {
	t.Helper()
	first, times := map[string]refreshing{}, map[string]int{}
	for _, r := range l.seen() {
		if times[r.token]++; times[r.token] == 1 {
			first[r.token] = r
		}
		if r != first[r.token] || r.status != http.StatusOK || r.successor == "" || r.key == "" {
			t.Errorf("the provider was asked and answered %+v after %+v", r, first[r.token])
		}
	}
	return times
}

var (
	scheduler  = application{ClientID: "app_scheduler", ClientSecret: usersSecret}
	atGrantlog = map[string]any{"provider": "f4w", "username": agentEmail, "password": agentPassword}
)

// startSchedulers runs a cluster whose provider is another grantlog.
func startSchedulers(t *testing.T, l *lossy) *cluster {
	t.Helper()
	c := prepareCluster(t, "--seed", writeFile(t, "seed.yaml", `
organizations:
  - id: acme
    name: Acme
    providers:
      - {name: f4w, tokenUrl: "`+l.URL+`/oauth/token?partnerId=10000", clientId: app_backend, clientSecretEnv: USERS_SECRET}
    applications:
      - {name: Scheduler, clientId: app_scheduler, clientSecretEnv: USERS_SECRET, scopes: ["authentications:read", "authentications:write", "events:read"]}
`))
	for _, s := range c.members {
		s.env = []string{"USERS_SECRET=" + usersSecret}
		s.launch()
	}
	c.ready()
	return c
}

// writers lists the replicas that wrote the events which a filter selects, in
// the order of the log: all of them, or those that have the Idempotency-Key.
func (s *server) writers(manager, filter, key string) (replicas []string) {
	s.t.Helper()
	query := "/oauth/events?limit=200&" + filter
	for cursor := ""; ; {
		page := as[struct {
			Events []struct {
				Actor struct{ Replica string }
				Data  struct{ Key string }
			}
			NextCursor string
		}](s.get(query+cursor, bearer(manager)).ok())
		for _, e := range page.Events {
			if key == "" || e.Data.Key == key {
				replicas = append(replicas, e.Actor.Replica)
			}
		}
		if page.NextCursor == "" {
			return replicas
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

// refresher returns the member that makes a refresh: the one with its lease.
func (c *cluster) refresher(r refreshing, manager string) *server {
	c.t.Helper()
	var leases []string
	c.members[0].eventually("the lease is shown", func() bool {
		leases = c.members[0].writers(manager, "type=authentication.leased", strings.Trim(r.key, `"`))
		return len(leases) > 0
	})
	for _, s := range c.members {
		issued := s.introspect(scheduler, s.token(scheduler)).ID
		if wrote := s.writers(manager, "token="+issued, ""); len(wrote) == 1 && wrote[0] == leases[len(leases)-1] {
			return s
		}
	}
	c.t.Fatalf("no member holds the last of the leases %v", leases)
	return nil
}

// Section 5: three replicas, each a process of its own, refresh each token
// once. One that is killed between the provider's answer and its own record of
// it loses nothing: another one asks the provider for the same once more.
func TestAKilledRefreshLosesNothing(t *testing.T) {
	t.Parallel()
	l := newLossy(t, startRefresh(t))
	c := startSchedulers(t, l)
	manager := c.members[0].token(scheduler)

	// The provider's tokens live for a minute: a refresh is always due.
	made := map[string]bool{}
	for _, s := range c.members {
		made[as[stored](s.json(http.MethodPost, authenticationsPath, atGrantlog, bearer(manager)).want(http.StatusCreated)).ID] = true
	}
	c.members[0].within(2*patience, "each is refreshed again and again", func() bool { return len(l.seen()) >= 5*len(made) })
	for token, n := range l.times(t) {
		if n != 1 {
			t.Errorf("%s was presented %d times", token, n)
		}
	}

	l.loseNext()
	var lost refreshing
	select {
	case lost = <-l.lost:
	case <-time.After(patience):
		t.Fatal("nothing is refreshed")
	}
	killed := c.refresher(lost, manager)
	killed.kill()
	close(l.forget)

	// The lease of the one that is gone runs out after a minute.
	killed.within(6*patience, "it is refreshed again, and twice more", func() bool {
		successor, more := lost.successor, 0
		for _, r := range l.seen() {
			if r.token == successor {
				successor = r.successor
				more++
			}
		}
		return more >= 2
	})
	repeated := 0
	for _, n := range l.times(t) {
		if n > 1 {
			repeated++
		}
	}
	// What the killed one was about at that moment is all that was repeated.
	if n := l.times(t)[lost.token]; n != 2 || repeated > len(made) {
		t.Errorf("the one that was cut off was asked for %d times; %d tokens were presented more than once", n, repeated)
	}
	killed.start()
	for _, s := range c.members {
		list := as[[]stored](s.get(authenticationsPath, bearer(manager)).ok())
		for _, a := range list {
			if !a.Active || !made[a.ID] || a.RefreshToken == lost.token {
				t.Errorf("%+v", a)
			}
		}
		if len(list) != len(made) {
			t.Errorf("%d of %d are there", len(list), len(made))
		}
	}
}
