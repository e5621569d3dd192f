package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	lost     chan struct{} // an answer was lost
	forget   chan struct{} // closed: whoever waits for it is gone
}

// refreshing is a refresh as the provider saw and answered it.
type refreshing struct {
	token, key, successor string
	status                int
}

func newLossy(t *testing.T, provider *server) *lossy {
	l := &lossy{provider: provider, lost: make(chan struct{}, 1), forget: make(chan struct{})}
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
	l.requests = append(l.requests, refreshing{values.Get("refresh_token"), h.Get("Idempotency-Key"), given.RefreshToken, status})
	lose := l.lose
	l.lose = false
	l.mu.Unlock()
	if lose {
		l.lost <- struct{}{}
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

// Section 5: a replica that is killed between the provider's answer and its own
// record of it loses nothing. Whoever refreshes next asks the provider for the
// same once more.
func TestAKilledRefreshLosesNothing(t *testing.T) {
	t.Parallel()
	provider := startRefresh(t)
	l := newLossy(t, provider)
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", `
organizations:
  - id: acme
    name: Acme
    providers:
      - {name: f4w, tokenUrl: "`+l.URL+`/oauth/token?partnerId=10000", clientId: app_backend, clientSecretEnv: USERS_SECRET}
    applications:
      - {name: Scheduler, clientId: app_scheduler, clientSecretEnv: USERS_SECRET, scopes: ["authentications:read", "authentications:write"]}
`))
	s.env = []string{"USERS_SECRET=" + usersSecret}
	s.start()
	scheduler := application{ClientID: "app_scheduler", ClientSecret: usersSecret}
	read := func(id string) stored {
		t.Helper()
		return as[stored](s.get(authenticationsPath+"/"+id, bearer(s.token(scheduler))).ok())
	}

	// The provider's tokens live for a minute: a refresh is always due.
	l.loseNext()
	login := map[string]any{"provider": "f4w", "username": agentEmail, "password": agentPassword}
	made := as[stored](s.json(http.MethodPost, authenticationsPath, login, bearer(s.token(scheduler))).want(http.StatusCreated))
	select {
	case <-l.lost:
	case <-time.After(patience):
		t.Fatalf("nothing is refreshed\n%s", s.out.tail())
	}
	s.kill()
	close(l.forget)
	s.start()
	if got := read(made.ID); got.RefreshToken != made.RefreshToken {
		t.Fatalf("the test lost no answer: %+v", got)
	}
	lost := l.seen()[0]
	if lost.status != http.StatusOK || lost.token != made.RefreshToken || lost.successor == "" || lost.key == "" {
		t.Fatalf("the provider was asked %+v", lost)
	}

	// The lease of the one that is gone runs out after a minute.
	s.within(3*patience, "it is refreshed again, and twice more", func() bool { return len(l.seen()) >= 4 })
	all := l.seen()
	if again := all[1]; again != lost {
		t.Errorf("the second holder asked and got %+v, the first %+v", again, lost)
	}
	for i, r := range all[2:] {
		if before := all[i+1]; r.status != http.StatusOK || r.token != before.successor || r.key == before.key {
			t.Errorf("refresh %d was %+v after %+v", i+3, r, before)
		}
	}
	if got := read(made.ID); !got.Active || got.RefreshToken == made.RefreshToken {
		t.Errorf("%+v", got)
	}
}
