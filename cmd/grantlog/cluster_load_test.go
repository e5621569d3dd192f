package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is clients that use tokens through a balancer, which sends requests to
// members that were not told to stop, and note what they are told.
type load struct {
	t        testing.TB
	members  []*server
	app      application
	down     []atomic.Bool // told to stop
	stalest  time.Duration // --max-staleness of the members
	history  *history
	families *families // nil: nobody refreshes
	insist   bool      // what a member refuses is asked of the next one
	done     atomic.Bool
	workers  sync.WaitGroup

	mu      sync.Mutex
	tokens  []*trackedToken // in use
	told    []told          // what was acknowledged
	issued  int
	asked   int
	cut     int      // connections that ended without an answer
	failed  int      // other answers than were hoped for
	refused []string // the first of them
	slowest time.Duration
	stale   time.Duration // the oldest truth that a read without Consistency-Token told
}

// told is an event that a client was told of.
type told struct{ event, jti string }

// trackedToken is a token and what its clients know.
type trackedToken struct {
	number  int
	value   string
	known   string    // Consistency-Token of the last acknowledged write
	revoked time.Time // when that was acknowledged
	reads   int
}

const (
	loadWorkers = 4
	tokensInUse = 12
	readsEach   = 40 // of a token, before another one takes its place

	refusalsKept = 50
	refusedPause = 10 * time.Millisecond

	// recovery bounds how long a cluster may take to be whole again: elections,
	// new connections, what a member missed. It is no claim about speed.
	recovery = 2 * time.Minute

	maxStaleness = 10 * time.Second // the default of --max-staleness
)

// newLoad makes clients of an application. Who starts the load may change it
// first.
func newLoad(t testing.TB, members []*server, app application) *load {
	return &load{
		t: t, members: members, app: app, down: make([]atomic.Bool, len(members)), stalest: maxStaleness, history: newHistory(),
	}
}

// start sets the clients to work until stop.
func (l *load) start() {
	for range loadWorkers {
		l.workers.Go(func() {
			for !l.done.Load() {
				l.step()
			}
		})
	}
	if l.families != nil {
		l.workers.Go(func() {
			for !l.done.Load() {
				l.families.run(&l.done)
			}
		})
	}
}

// stop ends the work and judges it.
func (l *load) stop() (bad int) {
	l.t.Helper()
	l.done.Store(true)
	l.workers.Wait()
	l.t.Logf("%d requests, %d cut off, %d refused, slowest %v, stalest read %v", l.asked, l.cut, l.failed, l.slowest, l.stale)
	if l.stale > l.stalest {
		l.t.Errorf("a read without Consistency-Token was %v old", l.stale)
	}
	if bad = l.history.check(l.t); l.families != nil {
		bad += l.families.check(l.t)
	}
	return bad
}

// more waits until some requests more were answered.
func (l *load) more() {
	l.t.Helper()
	began := l.answered()
	l.members[0].within(recovery, "there was more load", func() bool { return l.answered() > began+200 })
}

func (l *load) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked - l.cut - l.failed
}

// step does one thing to one token, on one member.
func (l *load) step() {
	member := l.member()
	l.mu.Lock()
	var token *trackedToken
	if len(l.tokens) == tokensInUse {
		at := rand.N(tokensInUse)
		token = l.tokens[at]
		if token.reads++; token.reads == readsEach {
			l.tokens = append(l.tokens[:at], l.tokens[at+1:]...)
		}
	}
	l.mu.Unlock()
	switch dice := rand.N(20); {
	case token == nil:
		l.issue(member)
	case dice == 0:
		l.revoke(member, token)
	case dice < 4:
		l.readPlain(member, token)
	default:
		l.read(member, token)
	}
}

func (l *load) issue(member int) {
	var got tokenResponse
	_, body, written := l.post(member, "/oauth/token", "", "grant_type", "client_credentials")
	if body == nil || json.Unmarshal(body, &got) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issued++
	l.told = append(l.told, told{"token.issued", jtiOf(l.t, got.AccessToken)})
	if len(l.tokens) < tokensInUse {
		l.tokens = append(l.tokens, &trackedToken{number: l.issued, value: got.AccessToken, known: written})
	}
}

func (l *load) revoke(member int, token *trackedToken) {
	op := tokenOp{token.number, revocation}
	call := l.history.now()
	_, _, written := l.post(member, "/oauth/revoke", "", "token", token.value)
	if written == "" {
		l.history.add(op, call, never, false)
		return
	}
	l.mu.Lock()
	token.known = written
	if token.revoked.IsZero() {
		token.revoked = time.Now()
		l.told = append(l.told, told{"token.revoked", jtiOf(l.t, token.value)})
	}
	l.mu.Unlock()
	// Only now: whoever asks after this moment carries what was written.
	l.history.add(op, call, l.history.now(), false)
}

func (l *load) read(member int, token *trackedToken) {
	call := l.history.now()
	l.mu.Lock()
	known := token.known
	l.mu.Unlock()
	if member, body, _ := l.post(member, "/oauth/introspect", known, "token", token.value); body != nil {
		l.history.add(tokenOp{token.number, member}, call, l.history.now(), strings.HasPrefix(string(body), `{"active":true`))
	}
}

// readPlain asks without a Consistency-Token: the answer may be old, but no
// older than --max-staleness.
func (l *load) readPlain(member int, token *trackedToken) {
	asked := time.Now()
	_, body, _ := l.post(member, "/oauth/introspect", "", "token", token.value)
	if body == nil || !strings.HasPrefix(string(body), `{"active":true`) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !token.revoked.IsZero() && asked.After(token.revoked) {
		l.stale = max(l.stale, asked.Sub(token.revoked))
	}
}

// post sends a form of the application. It returns the body and
// Consistency-Token of a 200, and who gave it.
func (l *load) post(member int, path, known string, pairs ...string) (by int, body []byte, written string) {
	var opts []option
	if known != "" {
		opts = append(opts, header("Consistency-Token", known))
	}
	pairs = append(pairs, "client_id", l.app.ClientID, "client_secret", l.app.ClientSecret)
	for began := time.Now(); ; member = (member + 1) % len(l.members) {
		status, body, written := l.request(member, path, pairs, opts...)
		switch {
		case status == http.StatusOK:
			return member, body, written
		case !l.insist || l.done.Load():
			return member, nil, ""
		case status != 0 && status != http.StatusServiceUnavailable || time.Since(began) > recovery:
			l.t.Errorf("%s: %d %s", path, status, body)
			return member, nil, ""
		}
	}
}

// request sends a form and counts the answer. Status 0 is none.
func (l *load) request(member int, path string, pairs []string, opts ...option) (status int, body []byte, written string) {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	s := l.members[member]
	r, err := http.NewRequest(http.MethodPost, s.issuer()+path, strings.NewReader(form.Encode()))
	if err != nil {
		l.t.Error(err)
		return 0, nil, ""
	}
	r.Header.Set("Content-Type", formType)
	for _, o := range opts {
		o(r)
	}
	began := time.Now()
	resp, err := (&http.Client{Transport: s.base, Timeout: recovery}).Do(r)
	if err == nil {
		status, written = resp.StatusCode, resp.Header.Get("Consistency-Token")
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	took := time.Since(began)
	if err != nil {
		status = 0
	}
	l.count(status, took, path, body)
	if status == 0 || status >= http.StatusInternalServerError {
		<-time.After(refusedPause) // as a client does that was told to come again
	}
	return status, body, written
}

func (l *load) count(status int, took time.Duration, path string, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	switch {
	case status == 0:
		l.cut++
	case status == http.StatusOK:
		l.slowest = max(l.slowest, took)
	default:
		if l.failed++; l.failed <= refusalsKept {
			l.refused = append(l.refused, fmt.Sprintf("%s: %d %s", path, status, body))
		}
	}
}

// member is where the balancer sends a request.
func (l *load) member() int {
	for {
		if member := rand.N(len(l.members)); !l.down[member].Load() {
			return member
		}
	}
}

// jtiOf reads the name of a JWT.
func jtiOf(t testing.TB, token string) string {
	t.Helper()
	var claims struct{ JTI string }
	if _, payload, ok := strings.Cut(token, "."); ok {
		payload, _, _ = strings.Cut(payload, ".")
		if b, err := base64.RawURLEncoding.DecodeString(payload); err == nil && json.Unmarshal(b, &claims) == nil && claims.JTI != "" {
			return claims.JTI
		}
	}
	t.Errorf("%q is not a token", token)
	return ""
}
