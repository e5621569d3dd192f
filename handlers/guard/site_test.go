package guard_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/projections"
)

// patience bounds waits that a healthy server ends in milliseconds.
const patience = 30 * time.Second

const issuer = "https://issuer.example"

// site is a log with replicas that share a clock, which stands still until a
// test moves it.
type site struct {
	t   testing.TB
	env *journaltest.Env

	withoutLog bool // replicas give up soon: the log will be gone

	mu       sync.Mutex
	now      time.Time
	replicas int
}

func newSite(t testing.TB) *site {
	t.Helper()
	return &site{t: t, env: journaltest.New(t), now: time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)}
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// replica is one guard and what it stands on.
type replica struct {
	*guard.Guard
	t    testing.TB
	base *emittest.Replica
	stop func() // ends Run, which accounts for the rest
}

func (s *site) replica() *replica {
	s.t.Helper()
	r := s.idle()
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { r.Run(ctx) })
	r.stop = func() { cancel(); run.Wait() }
	s.t.Cleanup(r.stop)
	return r
}

// idle is a replica that accounts for nothing: whatever it counted is gone with
// it, as if it were killed.
func (s *site) idle() *replica {
	s.t.Helper()
	s.replicas++
	name := fmt.Sprintf("r_%d", s.replicas)
	base := emittest.New(s.t, s.env, emittest.Config{Now: s.clock, Journal: func(c *journal.Config) {
		c.Replica = name
		if s.withoutLog {
			emittest.Impatient(c)
		}
	}})
	r := &replica{t: s.t, base: base}
	callers := authn.New(authn.Config{
		View: base.View, CatchUp: base.CatchUp, Now: s.clock,
		Hash: func(string) events.SecretDigest { return events.SecretDigest{} },
		Verify: func(token string) ([]byte, error) {
			if strings.HasSuffix(token, ".c2lnbmF0dXJl") {
				_, payload, _ := strings.Cut(token, ".")
				payload, _, _ = strings.Cut(payload, ".")
				return base64.RawURLEncoding.DecodeString(payload)
			}
			return nil, errors.New("not signed here")
		},
	})
	r.Guard = guard.New(guard.Config{
		Authn: callers, Emit: base.Emitter, Fresh: base.Follower.Fresh, Issuer: issuer, Replica: name, Log: slog.New(slog.DiscardHandler),
	})
	return r
}

// append writes events of acme, unconditionally.
func (r *replica) append(data ...events.Data) events.Position {
	r.t.Helper()
	return r.base.Record("acme", data...)
}

func application(id string, limits events.Limits) *events.ApplicationCreated {
	d := &events.ApplicationCreated{ID: id, ClientID: "app_" + id, Secret: &events.SecretDigest{1}}
	d.Name, d.Limits, d.Scopes = id, limits, []string{"read:customers", "write:customers"}
	return d
}

// acme is an organization with the seed's catalogue.
func (r *replica) acme(limits events.Limits) {
	r.t.Helper()
	r.append(
		&events.OrganizationCreated{ID: "acme", Name: "Acme", Limits: limits},
		&events.ScopesSet{ID: "acme", Scopes: []events.Scope{
			{Name: "read:customers", Routes: []string{"GET /api/v1/customers/*"}},
			{Name: "write:customers", Routes: []string{"POST /api/v1/customers/*", "PUT /api/v1/customers/*"}},
			{Name: "write:metering", Routes: []string{"POST /api/v1/metering"}},
		}},
		&events.UpstreamsSet{ID: "acme", Upstreams: []events.Upstream{
			{Name: "api", URL: "http://127.0.0.1:9001", Paths: []string{"/api/v1/customers/*"}},
		}},
	)
}

// token issues one. Only its signature is none, which nobody checks of a token
// that the log shows.
func (r *replica) token(application, scope string, life time.Duration) string {
	r.t.Helper()
	text, issued := r.signed(application, scope, issuer, life)
	r.append(issued)
	return text
}

// signed is a token that the log does not show.
func (r *replica) signed(application, scope, audience string, life time.Duration) (string, *events.TokenIssued) {
	id, now := events.NewTokenID(), r.base.Now()
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"client_id":"app_%s","sub":"app_%s","jti":%q,"iat":%d,"exp":%d,"scope":%q}`,
		issuer, audience, application, application, id, now.Unix(), now.Add(life).Unix(), scope)
	text := strings.Join([]string{
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}`)),
		base64.RawURLEncoding.EncodeToString([]byte(claims)), "c2lnbmF0dXJl",
	}, ".")
	return text, &events.TokenIssued{
		ID: id, Digest: authn.Digest(text), Application: application, Secret: 1,
		Grant: "client_credentials", Scope: scope, Key: "key", IssuedAt: now.Unix(), ExpiresAt: now.Add(life).Unix(),
	}
}

// get is a call that the seed's read:customers opens.
func (r *replica) get(token string) (guard.Pass, error) {
	return r.Check(context.Background(), call(token))
}

// shown is what the replica's state shows of an application's last hour.
func (r *replica) shown(application string) (n int) {
	r.base.View(func(s *projections.State) { n = s.Usage.Application(application).Hour(r.base.Now()).Calls })
	return n
}

func call(token string) guard.Call {
	return guard.Call{Token: token, Method: "GET", Path: "/api/v1/customers/7"}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// waitUntil waits for a condition that a healthy server brings about soon.
func waitUntil(t testing.TB, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("waited in vain")
		}
	}
}
