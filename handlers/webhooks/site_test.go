package webhooks

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/handlers/revocations"
	"github.com/grantlog/grantlog/handlers/sign"
	"github.com/grantlog/grantlog/projections"
)

const patience = emittest.Patience

// calm is a pace at which no lease ends by itself and failures are soon tried
// again.
var calm = pace{
	look: 50 * time.Millisecond, lease: time.Hour, attempt: patience, tell: time.Hour, linger: 100 * time.Millisecond,
	head: 20 * time.Millisecond, first: time.Millisecond, longest: 20 * time.Millisecond, rest: 10 * time.Millisecond, grace: patience,
}

// site is a log, the master key of its replicas, and what they share.
type site struct {
	*journaltest.Env
	t      testing.TB
	master seal.Master
	first  *replica // writes what the others push
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{Env: journaltest.New(t), t: t, master: seal.NewMaster()}
	s.first = s.replica(calm)
	made, err := s.first.base.Vault(s.master).NewKey(signingAlg)
	if err != nil {
		t.Fatal(err)
	}
	s.first.base.Record("", made, &events.KeyActivated{ID: made.ID})
	for _, id := range []string{"acme", "globex"} {
		s.first.base.Record(id, &events.OrganizationCreated{ID: id, Name: id})
	}
	return s
}

// replica is one endpoint and what it stands on.
type replica struct {
	*Endpoint
	t        testing.TB
	base     *emittest.Replica
	signer   *sign.Signer
	vault    *sign.Vault
	stopping chan struct{}
	end      func() // of Run
}

// replica is one that does not push yet.
func (s *site) replica(p pace) *replica {
	s.t.Helper()
	var applied atomic.Pointer[func(*journal.Record)]
	base := emittest.New(s.t, s.Env, emittest.Config{OnApply: []func(*journal.Record){func(r *journal.Record) {
		if told := applied.Load(); told != nil {
			(*told)(r)
		}
	}}})
	r := &replica{t: s.t, base: base, vault: base.Vault(s.master), stopping: make(chan struct{}), end: func() {}}
	r.signer = sign.New(sign.Config{View: base.View, Unsealer: r.vault})
	feed := revocations.New(revocations.Config{
		Position: base.Follower.Position, Epoch: base.Follower.Epoch, First: base.Journal.First, Read: base.Journal.Read,
	})
	r.Endpoint = New(Config{
		Emit: base.Emitter, Sealers: r.vault, Sign: r.signer.Sign, Issuer: "https://issuer.example", Replica: base.Journal.Replica(),
		Position: base.Follower.Position, First: base.Journal.First, Endings: feed.After, Fresh: func() error { return nil },
		GiveUp: time.Hour, Stopping: r.stopping, Log: slog.New(slog.DiscardHandler),
	})
	r.pace = p
	told := func(rec *journal.Record) { feed.Hub().Applied(rec); r.Applied(rec) }
	applied.Store(&told)
	return r
}

// run pushes until end, or until the test ends.
func (r *replica) run() *replica {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { r.Run(ctx) })
	r.end = sync.OnceFunc(func() { cancel(); work.Wait() })
	r.t.Cleanup(r.end)
	return r
}

// kill ends a replica in the middle of what it does: it writes nothing more.
func (r *replica) kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.base.Journal.Close(ctx)
	r.mu.Lock()
	for _, s := range r.sessions {
		s.cancel()
	}
	r.mu.Unlock()
	r.end()
}

// hook registers a receiver of acme.
func (s *site) hook(to *receiver, after events.Position) (id string) {
	s.t.Helper()
	target := command.Target{Organization: "acme", ID: events.NewID("w_"), Held: []string{command.ScopeAdmin}}
	secret := "Bearer canary"
	sealed, err := s.first.seal(target, &secret)
	if err != nil {
		s.t.Fatal(err)
	}
	s.first.base.Run(func(state *projections.State) (command.Decision, error) {
		return command.CreateWebhook(state, target, command.NewWebhook{
			WebhookSettings: events.WebhookSettings{URL: to.URL, Audience: "receiver", Private: true}, Authorization: sealed, After: &after,
		})
	})
	return target.ID
}

// revoke ends n tokens of an organization and returns the last position.
func (s *site) revoke(organization string, n int) (last events.Position) {
	s.t.Helper()
	for range n {
		last = s.first.base.Record(organization, &events.TokenRevoked{ID: events.NewTokenID(), Application: "a1", Reason: "test"})
	}
	return last
}

// now returns a webhook as the first replica has it, nil without one.
func (s *site) now(id string) (w *projections.Webhook, lag events.Position) {
	s.first.base.View(func(state *projections.State) {
		var ok bool
		if w, ok = state.Webhooks.Get(id); ok {
			lag = state.Webhooks.Lag(w)
		}
	})
	return w, lag
}

func (s *site) eventually(what string, holds func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// caughtUp waits until everything is acknowledged and the lease given back.
func (s *site) caughtUp(id string) *projections.Webhook {
	s.t.Helper()
	s.eventually("a webhook has caught up", func() bool {
		w, lag := s.now(id)
		return lag == 0 && w.Lease == ""
	})
	w, _ := s.now(id)
	return w
}

// receiver is what stands behind a webhook.
type receiver struct {
	*httptest.Server
	t    testing.TB
	site *site

	mu      sync.Mutex
	pushed  []string // jti of every push, in the order of arrival
	busy    int
	overlap bool
	answer  func(w http.ResponseWriter, r *http.Request) // nil: 202
}

func (s *site) receiver() *receiver {
	rx := &receiver{t: s.t, site: s}
	rx.Server = httptest.NewServer(rx)
	s.t.Cleanup(rx.Close)
	return rx
}

func (rx *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it was broken off
	}
	id := rx.check(r, string(body))
	rx.mu.Lock()
	rx.pushed = append(rx.pushed, id)
	rx.busy++
	rx.overlap = rx.overlap || rx.busy > 1
	answer := rx.answer
	rx.mu.Unlock()
	defer func() {
		rx.mu.Lock()
		rx.busy--
		rx.mu.Unlock()
	}()
	if answer != nil {
		answer(w, r)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// check holds a push to RFC 8935 and RFC 8417, and returns its jti.
func (rx *receiver) check(r *http.Request, token string) string {
	for name, want := range map[string]string{
		"Content-Type": "application/secevent+jwt", "Accept": "application/json", "Authorization": "Bearer canary",
	} {
		if got := r.Header.Get(name); got != want {
			rx.t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	payload, err := rx.site.first.signer.Verify(token)
	var c claims
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	ending, ok := c.Events[revocationEvent]
	if err != nil || c.Issuer != "https://issuer.example" || c.Audience != "receiver" || c.IssuedAt == 0 || len(c.Events) != 1 || !ok {
		rx.t.Errorf("%s: %v", payload, err)
	}
	if ending.Organization != "acme" {
		rx.t.Errorf("an ending of %q", ending.Organization)
	}
	return c.ID
}

func (rx *receiver) answers(answer func(w http.ResponseWriter, r *http.Request)) {
	rx.mu.Lock()
	defer rx.mu.Unlock()
	rx.answer = answer
}

// seen lists what was pushed so far.
func (rx *receiver) seen() []string {
	rx.mu.Lock()
	defer rx.mu.Unlock()
	return slices.Clone(rx.pushed)
}

// distinct are the pushes without their repeats, which follow the first at once
// or later, but never bring anything that was left out.
func distinct(pushed []string) (list []string) {
	seen := map[string]bool{}
	for _, id := range pushed {
		if !seen[id] {
			seen[id] = true
			list = append(list, id)
		}
	}
	return list
}

// positions are what the jtis of a webhook name, "position.ordinal".
func positions(id string, pushed []string) (list []string) {
	for _, jti := range pushed {
		list = append(list, strings.TrimPrefix(jti, id+"."))
	}
	return list
}
