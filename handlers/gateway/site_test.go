package gateway_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/handlers/gateway"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/proxy"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.init.0.func1"))
}

const (
	patience = 30 * time.Second // for what a healthy server does in milliseconds
	issuer   = "https://issuer.example"
)

// site is a log, a guard and the gateway in front of a real upstream.
type site struct {
	t      *testing.T
	base   *emittest.Replica
	server *httptest.Server
	client *http.Client
	api    *httptest.Server

	mu    sync.Mutex
	calls []*http.Request // that reached the upstream
}

// newSite has the organization acme, whose upstream is told what the change
// says, the application a1 and, as the providers' tokens, those given.
func newSite(t *testing.T, tokens gateway.Tokens, change func(*events.Upstream)) *site {
	t.Helper()
	base := emittest.New(t, journaltest.New(t), emittest.Config{})
	s := &site{t: t, base: base, client: &http.Client{Transport: &http.Transport{}}}
	s.api = httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(s.api.Close)
	s.serve(tokens)
	upstream := events.Upstream{Name: "api", URL: s.api.URL + "/base/", Paths: []string{"/api/v1/*"}, Private: true}
	if change != nil {
		change(&upstream)
	}
	app := &events.ApplicationCreated{ID: "a1", ClientID: "app_a1", Secret: &events.SecretDigest{1}}
	app.Name, app.Scopes = "a1", []string{"read:customers"}
	s.append(
		&events.OrganizationCreated{ID: "acme", Name: "Acme"},
		&events.ScopesSet{ID: "acme", Scopes: []events.Scope{
			{Name: "read:customers", Routes: []string{"GET /api/v1/customers/*", "GET /elsewhere", "GET /oauth/*"}},
			{Name: "write:customers", Routes: []string{"POST /api/v1/customers/*"}},
		}},
		&events.UpstreamsSet{ID: "acme", Upstreams: []events.Upstream{upstream}}, app,
	)
	return s
}

// serve runs the gateway behind an endpoint of the server's own.
func (s *site) serve(tokens gateway.Tokens) {
	s.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	callers := authn.New(authn.Config{
		View: s.base.View, CatchUp: s.base.CatchUp, Now: time.Now,
		Hash:   func(string) events.SecretDigest { return events.SecretDigest{} },
		Verify: func(string) ([]byte, error) { return nil, errors.New("not signed here") },
	})
	g := guard.New(guard.Config{Authn: callers, Emit: s.base.Emitter, Fresh: s.base.Follower.Fresh, Issuer: issuer, Replica: s.base.Journal.Replica(), Log: quiet})
	p, err := proxy.New(proxy.Config{Guard: g, Issuer: issuer, Log: quiet, Recheck: 10 * time.Millisecond})
	if err != nil {
		s.t.Fatal(err)
	}
	router := echo.New()
	router.HTTPErrorHandler = oauth.ErrorHandler(quiet)
	router.IPExtractor = echo.ExtractIPDirect()
	router.Use((&gateway.Endpoint{Guard: g, Proxy: p, Tokens: tokens}).Unrouted)
	router.POST("/api/v1/customers/own", func(c echo.Context) error { return c.NoContent(http.StatusTeapot) })
	s.server = httptest.NewServer(router)
	s.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { g.Run(ctx) })
	s.t.Cleanup(func() {
		s.client.CloseIdleConnections()
		s.server.Close()
		p.Close()
		stop()
		run.Wait()
	})
}

// answer is the upstream: it echoes on a WebSocket, else says where it was
// asked.
func (s *site) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	s.mu.Lock()
	s.calls = append(s.calls, r)
	s.mu.Unlock()
	if r.Header.Get("Upgrade") == "" {
		fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
		return
	}
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err == nil {
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, buffered)
		c.Close()
	}
}

func (s *site) append(data ...events.Data) {
	s.t.Helper()
	s.base.Record("acme", data...)
}

// token is one of a1 for read:customers. Only its signature is none, which
// nobody checks of a token that the log shows.
func (s *site) token() (string, events.TokenID) {
	s.t.Helper()
	id, now := events.NewTokenID(), time.Now()
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"jti":%q,"exp":%d}`, issuer, issuer, id, now.Add(time.Hour).Unix())
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
	s.append(&events.TokenIssued{
		ID: id, Digest: authn.Digest(text), Application: "a1", Secret: 1,
		Grant: "client_credentials", Scope: "read:customers", Key: "key", IssuedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(),
	})
	return text, id
}

// call returns the answer as "status body". The path goes out as it stands.
func (s *site) call(method, path string, header ...string) (string, http.Header) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.URL.Opaque = path
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	answer, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, text), answer.Header
}

func (s *site) reached() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request{}, s.calls...)
}
