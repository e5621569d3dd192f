package main_test

import (
	"encoding/json"
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
	t       testing.TB
	members []*server
	app     application
	down    []atomic.Bool // told to stop
	history *history
	done    atomic.Bool
	workers sync.WaitGroup

	mu      sync.Mutex
	tokens  []*trackedToken // in use
	issued  int
	asked   int
	cut     int      // connections that ended without an answer
	refused []string // other answers than 200
	slowest time.Duration
	stale   time.Duration // the oldest truth that a read without Consistency-Token told
}

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

	maxStaleness = 10 * time.Second // the default of --max-staleness
)

// startLoad sets clients to work until stop.
func startLoad(t testing.TB, members []*server, app application) *load {
	l := &load{t: t, members: members, app: app, down: make([]atomic.Bool, len(members)), history: newHistory()}
	for range loadWorkers {
		l.workers.Go(func() {
			for !l.done.Load() {
				l.step()
			}
		})
	}
	return l
}

// stop ends the work and judges it.
func (l *load) stop() {
	l.t.Helper()
	l.done.Store(true)
	l.workers.Wait()
	l.t.Logf("%d requests, %d cut off, %d refused, slowest %v, stalest read %v", l.asked, l.cut, len(l.refused), l.slowest, l.stale)
	if l.stale > maxStaleness {
		l.t.Errorf("a read without Consistency-Token was %v old", l.stale)
	}
	l.history.check(l.t)
}

// more waits until some requests more were answered.
func (l *load) more() {
	l.t.Helper()
	began := l.answered()
	l.members[0].eventually("there was more load", func() bool { return l.answered() > began+200 })
}

func (l *load) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked - l.cut - len(l.refused)
}

// step does one thing to one token, on one member.
func (l *load) step() {
	member := rand.N(len(l.members))
	if l.down[member].Load() {
		return
	}
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
	body, written := l.post(member, "/oauth/token", "", "grant_type", "client_credentials")
	if body == nil || json.Unmarshal(body, &got) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issued++
	if len(l.tokens) < tokensInUse {
		l.tokens = append(l.tokens, &trackedToken{number: l.issued, value: got.AccessToken, known: written})
	}
}

func (l *load) revoke(member int, token *trackedToken) {
	op := tokenOp{token.number, revocation}
	call := l.history.now()
	_, written := l.post(member, "/oauth/revoke", "", "token", token.value)
	if written == "" {
		l.history.add(op, call, never, false)
		return
	}
	ret := l.history.now()
	l.mu.Lock()
	token.known = written
	if token.revoked.IsZero() {
		token.revoked = time.Now()
	}
	l.mu.Unlock()
	l.history.add(op, call, ret, false)
}

func (l *load) read(member int, token *trackedToken) {
	l.mu.Lock()
	known := token.known
	l.mu.Unlock()
	call := l.history.now()
	if body, _ := l.post(member, "/oauth/introspect", known, "token", token.value); body != nil {
		l.history.add(tokenOp{token.number, member}, call, l.history.now(), strings.HasPrefix(string(body), `{"active":true`))
	}
}

// readPlain asks without a Consistency-Token: the answer may be old, but no
// older than --max-staleness.
func (l *load) readPlain(member int, token *trackedToken) {
	asked := time.Now()
	body, _ := l.post(member, "/oauth/introspect", "", "token", token.value)
	if body == nil || !strings.HasPrefix(string(body), `{"active":true`) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !token.revoked.IsZero() && asked.After(token.revoked) {
		l.stale = max(l.stale, asked.Sub(token.revoked))
	}
}

// post sends a form. It returns the body and Consistency-Token of a 200.
func (l *load) post(member int, path, known string, pairs ...string) (body []byte, written string) {
	form := url.Values{"client_id": {l.app.ClientID}, "client_secret": {l.app.ClientSecret}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	s := l.members[member]
	r, err := http.NewRequest(http.MethodPost, s.issuer()+path, strings.NewReader(form.Encode()))
	if err != nil {
		l.t.Error(err)
		return nil, ""
	}
	r.Header.Set("Content-Type", formType)
	if known != "" {
		r.Header.Set("Consistency-Token", known)
	}
	began, status := time.Now(), 0
	resp, err := (&http.Client{Transport: s.base, Timeout: patience}).Do(r)
	if err == nil {
		status = resp.StatusCode
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	switch {
	case err != nil:
		l.cut++
	case status != http.StatusOK:
		l.refused = append(l.refused, path+": "+resp.Status+" "+string(body))
	default:
		l.slowest = max(l.slowest, time.Since(began))
		return body, resp.Header.Get("Consistency-Token")
	}
	return nil, ""
}
