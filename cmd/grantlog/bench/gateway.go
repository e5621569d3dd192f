package bench

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/grantlog/grantlog/handlers/egress"
)

// Proxy serves the reverse proxy that the gateway is compared with until ctx
// ends: the standard library's, over the gateway's transport, without a guard.
func Proxy(ctx context.Context, listen, upstream string) error {
	to, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	return listenAndServe(ctx, listen, &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.SetXForwarded() },
		Transport: egress.Transport(true), BufferPool: buffers{&sync.Pool{New: func() any { return new([32 << 10]byte) }}},
		FlushInterval: -1, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	})
}

type buffers struct{ pool *sync.Pool }

func (b buffers) Get() []byte  { return b.pool.Get().(*[32 << 10]byte)[:] }
func (b buffers) Put(p []byte) { b.pool.Put((*[32 << 10]byte)(p)) }

// guardedSeed is an organization with an upstream and an application that no
// limit holds up.
const guardedSeed = `organizations:
  - id: bench
    limits: {perMinute: 1000000000, perHour: 1000000000}
    scopes: [{name: "read:customers", routes: ["POST /api/v1/*"]}]
    upstreams: [{name: bare, url: "http://UPSTREAM", paths: ["/api/v1/*"]}]
    applications:
      - {name: Bench, scopes: ["read:customers"], clientId: app_bench, clientSecret: SECRET, limits: {perMinute: 1000000000, perHour: 1000000000}}
`

const (
	guardedPath   = "/api/v1/customers"
	guardedSecret = "bench-0123456789-0123456789-0123456789"
)

// serveGuarded starts a server whose gateway leads to an upstream, and returns
// a token for it.
func (r *run) serveGuarded(ctx context.Context, upstream string) (*server, string, error) {
	seed := filepath.Join(r.dir, "guarded.yaml")
	text := strings.NewReplacer("UPSTREAM", upstream, "SECRET", guardedSecret).Replace(guardedSeed)
	if err := os.WriteFile(seed, []byte(text), 0o600); err != nil {
		return nil, "", err
	}
	s, err := r.serve(ctx, "--seed", seed)
	if err != nil {
		return nil, "", err
	}
	token, err := s.token(ctx, credentials{ID: "app_bench", Secret: guardedSecret})
	if err != nil {
		s.stop()
		return nil, "", err
	}
	return s, token, nil
}

// passCalls: through the gateway to a bare upstream, against the same reverse
// proxy without the guard.
func passCalls(ctx context.Context, r *run) (result, error) {
	upstream, err := r.start(ctx, "bench-bare")
	if err != nil {
		return result{}, err
	}
	defer upstream.stop()
	proxy, err := r.start(ctx, "bench-proxy", "--upstream", "http://"+upstream.address)
	if err != nil {
		return result{}, err
	}
	defer proxy.stop()
	s, token, err := r.serveGuarded(ctx, upstream.address)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	l, err := r.race(ctx, "gateway", proxy, s.process, fixed(call{
		path: guardedPath, header: http.Header{"Content-Type": {formType}, "Authorization": {"Bearer " + token}},
		body: func(int) string { return tokenForm }, accept: contains(`{"access_token":"x`),
	}))
	return result{Load: l}, err
}

// authorizeCalls: forward auth, as a proxy asks it, against the bare handler.
func authorizeCalls(ctx context.Context, r *run) (result, error) {
	s, token, err := r.serveGuarded(ctx, "127.0.0.1:9")
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	l, err := r.compare(ctx, "authorize", s.process, fixed(call{
		path: "/oauth/authorize-request", body: func(int) string { return tokenForm },
		header: http.Header{
			"Content-Type": {formType}, "Authorization": {"Bearer " + token},
			"X-Forwarded-Method": {http.MethodPost}, "X-Forwarded-Uri": {guardedPath},
		},
	}))
	return result{Load: l}, err
}

// fixed prepares a call that is the same in all rounds.
func fixed(c call) func(context.Context, *load) (call, error) {
	return func(context.Context, *load) (call, error) { return c, nil }
}
