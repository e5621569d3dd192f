package authentications

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/projections"
)

// countingProvider counts how often each refresh token is presented, and gives the next
// one, good for an hour.
type countingProvider struct {
	*httptest.Server
	mu        sync.Mutex
	presented map[string]int
}

func newCountingProvider(t testing.TB) *countingProvider {
	p := &countingProvider{presented: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.PostFormValue("refresh_token")
		p.mu.Lock()
		p.presented[token]++
		p.mu.Unlock()
		fmt.Fprintf(w, `{"access_token":"a-%s","refresh_token":"next-%s","expires_in":3600}`, token, token)
	}))
	t.Cleanup(p.Close)
	return p
}

// site is a log, the master key of its replicas, and what they share.
type site struct {
	*journaltest.Env
	t      testing.TB
	master seal.Master
}

// replica runs until the test ends.
func (s *site) replica() *Endpoint {
	s.t.Helper()
	base := emittest.New(s.t, s.Env, emittest.Config{})
	return New(Config{
		Authn: authn.New(authn.Config{Now: time.Now}), Emit: base.Emitter, Store: base.Store(),
		Sealers: base.Vault(s.master), Log: slog.New(slog.DiscardHandler),
	})
}

// store keeps n authentications that are due at once.
func (s *site) store(e *Endpoint, p *countingProvider, n int) {
	s.t.Helper()
	ctx := context.Background()
	do := func(decide func(*projections.State) (command.Decision, error)) error {
		_, err := e.Emit.Do(ctx, emit.Meta{}, func(st *projections.State, _ time.Time) (command.Decision, error) { return decide(st) })
		return err
	}
	err := do(func(st *projections.State) (command.Decision, error) {
		return command.CreateOrganization(st, command.NewOrganization{ID: "acme", Name: "Acme"})
	})
	if err == nil {
		err = e.Seed(ctx, "acme", "f4w", events.ProviderSettings{TokenURL: p.URL, Private: true}, "secret")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	var work sync.WaitGroup
	ids := make(chan int)
	for range 16 {
		work.Go(func() {
			for i := range ids {
				id := events.NewUUID()
				closed, err := e.safe.first(ctx, id, tokens{Access: "a", Refresh: fmt.Sprintf("t%d", i)})
				if err == nil {
					err = do(func(st *projections.State) (command.Decision, error) {
						return command.AddAuthentication(st, "acme", id, "f4w", closed, time.Now().Unix())
					})
				}
				if err != nil {
					s.t.Error(err)
				}
			}
		})
	}
	for i := range n {
		ids <- i
	}
	close(ids)
	work.Wait()
}

// due counts what is still to be refreshed.
func (e *Endpoint) due() (n int) {
	e.Emit.View(func(s *projections.State) {
		for _, a := range s.Connections.Of("acme") {
			if a.ExpiresAt < time.Now().Add(30*time.Minute).Unix() {
				n++
			}
		}
	})
	return n
}

// refreshAll lets three replicas refresh n authentications that are due, and
// returns how long that took.
func refreshAll(t testing.TB, n int) time.Duration {
	s := &site{Env: journaltest.New(t), t: t, master: seal.NewMaster()}
	p := newCountingProvider(t)
	first := s.replica()
	s.store(first, p, n)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	var work sync.WaitGroup
	for _, e := range []*Endpoint{first, s.replica(), s.replica()} {
		work.Go(func() {
			for e.due() > 0 && ctx.Err() == nil {
				e.round(ctx)
			}
			e.client.close()
		})
	}
	work.Wait()
	took := time.Since(began)
	if missed := first.due(); missed > 0 {
		t.Errorf("%d of %d were not refreshed", missed, n)
	}
	if len(p.presented) != n {
		t.Errorf("%d tokens were presented, want %d", len(p.presented), n)
	}
	for token, times := range p.presented {
		if times != 1 {
			t.Errorf("%s was presented %d times", token, times)
		}
	}
	return took
}

// Each token that is due is refreshed once, however many replicas look.
func TestReplicasRefreshEachTokenOnce(t *testing.T) { refreshAll(t, 300) }

// BenchmarkRefresh is 10,000 authentications that fall due together.
func BenchmarkRefresh(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(refreshAll(b, 10_000).Seconds(), "s/10000")
	}
}

// An outage leaves the tokens in use and is tried again later; a refusal ends
// them, for good.
func TestOutageIsNotARefusal(t *testing.T) {
	s := &site{Env: journaltest.New(t), t: t, master: seal.NewMaster()}
	p := newCountingProvider(t)
	status := http.StatusServiceUnavailable
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	e := s.replica()
	t.Cleanup(e.client.close)
	s.store(e, p, 1)
	only := func() (a *projections.Authentication) {
		e.Emit.View(func(st *projections.State) { a = st.Connections.Of("acme")[0] })
		return a
	}
	if n := e.round(t.Context()); n != 1 {
		t.Fatalf("%d were due", n)
	}
	down := only()
	if !down.Active() || down.Attempts != 1 || down.LeasedUntil <= time.Now().Unix() {
		t.Errorf("after an outage: %+v", down)
	}
	if n := e.round(t.Context()); n != 0 {
		t.Errorf("%d were tried again at once", n)
	}
	status = http.StatusBadRequest
	outcome, err := e.refreshed(t.Context(), down)
	if _, refused := outcome.(*events.AuthenticationFailed); !refused || err != nil {
		t.Errorf("a refusal gave %T, %v", outcome, err)
	}
}
