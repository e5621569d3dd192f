package main_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/projections/resource"
)

// resourceServer is a verifier that listens to a server.
func (s *server) resourceServer(opts ...resource.Option) *resource.Verifier {
	s.t.Helper()
	listener := s.create(s.admin(), settings{"scopes": []string{"revocations:read"}})
	v, err := resource.New(s.issuer(), append([]resource.Option{resource.WithClient(listener.ClientID, listener.ClientSecret)}, opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(v.Close)
	return v
}

// heard waits until a verifier has heard of everything that the server shows.
func (s *server) heard(v *resource.Verifier) {
	s.t.Helper()
	end := as[struct {
		Revocations []struct{ Position uint64 }
	}](s.get("/oauth/revocations?after=0&limit=200", bearer(s.admin())).ok()).Revocations
	var last uint64
	if len(end) > 0 {
		last = end[len(end)-1].Position
	}
	s.eventually("the verifier hears of the last revocation", func() bool { return v.Position() >= max(last, 1) })
}

func wantVerdict(t *testing.T, v *resource.Verifier, token string, want error) *resource.Claims {
	t.Helper()
	claims, err := v.Verify(context.Background(), token)
	if !errors.Is(err, want) {
		t.Errorf("verdict %v, want %v", err, want)
	}
	return claims
}

// Contract section 6, Go: signature, expiry and audience locally, revocation
// from a live view.
func TestResourceVerifier(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin, settings{"scopes": []string{"a", "b"}})
	before := s.token(app)
	v := s.resourceServer()
	s.heard(v)

	if claims := wantVerdict(t, v, before, nil); claims != nil && (claims.ClientID != app.ClientID || !claims.Has("a") || claims.Has("c")) {
		t.Errorf("claims %+v", claims)
	}
	one, other := s.token(app), s.token(app)
	s.form("/oauth/revoke", []string{"token", one}, basic(app)).ok()
	s.heard(v)
	wantVerdict(t, v, one, resource.ErrRevoked)
	wantVerdict(t, v, other, nil)

	secret := as[application](s.json(http.MethodPost, app.path("regenerate-secret"), map[string]any{}, bearer(admin)).ok())
	s.heard(v)
	wantVerdict(t, v, other, resource.ErrRevoked)
	wantVerdict(t, v, before, resource.ErrRevoked)
	wantVerdict(t, v, s.token(secret), nil) // of the same second: not to be refused

	for name, token := range map[string]string{
		"altered": alteredToken(before), "cut": before[:len(before)-1], "no signature": before[:strings.LastIndex(before, ".")+1],
		"garbage": "a.b.c", "empty": "", "no kid": unsigned(t, map[string]any{"alg": "none", "typ": "at+jwt"}, map[string]any{"iss": s.issuer()}, ""),
	} {
		if _, err := v.Verify(context.Background(), token); !errors.Is(err, resource.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	elsewhere := s.resourceServer(resource.WithAudience("https://other.example"))
	wantVerdict(t, elsewhere, s.token(secret), resource.ErrInvalid)
}

// alteredToken is a token with another character in the middle of its
// signature, where each bit of one counts: of its last two, eight bits do.
func alteredToken(token string) string {
	middle := (strings.LastIndexByte(token, '.') + len(token)) / 2
	other := byte('A')
	if token[middle] == other {
		other = 'B'
	}
	return token[:middle] + string(other) + token[middle+1:]
}

// Contract section 7 for resource servers: without news from the issuer a
// verifier asks or refuses; it never guesses.
func TestResourceVerifierWithoutNews(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin(), settings{"scopes": []string{"a"}})
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	deny := s.resourceServer(resource.WithClock(clock), resource.WithMaxStaleness(30*time.Second, resource.Deny))
	ask := s.resourceServer(resource.WithClock(clock))
	s.heard(deny)
	s.heard(ask)
	token := s.token(app)
	wantVerdict(t, deny, token, nil)
	ahead.Store(int64(5 * time.Minute))
	wantVerdict(t, deny, token, resource.ErrUnavailable)
	wantVerdict(t, ask, token, nil)
	s.kill()
	wantVerdict(t, ask, token, resource.ErrUnavailable)
}

// Contract section 4, face 3: the middleware for net/http and Echo.
func TestResourceMiddleware(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin(), settings{"scopes": []string{"a"}})
	v := s.resourceServer()
	s.heard(v)
	token := s.token(app)
	hello := func(w http.ResponseWriter, r *http.Request) {
		claims, _ := resource.From(r.Context())
		_, _ = w.Write([]byte(claims.ClientID))
	}
	e := echo.New()
	e.GET("/a", echo.WrapHandler(http.HandlerFunc(hello)), v.Echo("a"))
	e.GET("/b", echo.WrapHandler(http.HandlerFunc(hello)), v.Echo("b"))
	mux := http.NewServeMux()
	mux.Handle("GET /a", v.Handler(http.HandlerFunc(hello), "a"))
	mux.Handle("GET /b", v.Handler(http.HandlerFunc(hello), "b"))
	for name, handler := range map[string]http.Handler{"net/http": mux, "Echo": e} {
		for _, tt := range []struct {
			path, authorization string
			status              int
			body, challenge     string
		}{
			{"/a", "Bearer " + token, 200, app.ClientID, ""},
			{"/b", "Bearer " + token, 403, `{"code":403,"message":"Insufficient scope for this endpoint"}`, `error="insufficient_scope"`},
			{"/a", "", 401, `{"code":401,"message":"Missing access token"}`, "Bearer"},
			{"/a", "Basic YTpi", 400, `{"code":400,"message":"One bearer token, in the Authorization header"}`, `error="invalid_request"`},
			{"/a", "Bearer x.y.z", 401, `{"code":401,"message":"Invalid token"}`, `error="invalid_token"`},
		} {
			r := httptest.NewRequest(http.MethodGet, tt.path, nil)
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.body || !strings.Contains(w.Header().Get("WWW-Authenticate"), tt.challenge) {
				t.Errorf("%s %s %q: %d %s %v", name, tt.path, tt.authorization, w.Code, w.Body, w.Header())
			}
		}
	}
}

// cutter is a way to the issuer on which the feed can be cut off; everything
// else passes.
type cutter struct {
	base http.RoundTripper
	mu   sync.Mutex
	cut  bool
	open []io.Closer
}

func (c *cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(r)
	if err != nil || r.URL.Path != "/oauth/revocations/stream" {
		return resp, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		resp.Body.Close()
		return nil, errors.New("cut off")
	}
	c.open = append(c.open, resp.Body)
	return resp, nil
}

func (c *cutter) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for _, body := range c.open {
			body.Close()
		}
		c.open = nil
	}
}

// What is revoked while the feed is cut off is heard when it is back.
func TestResourceVerifierResumes(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin(), settings{"scopes": []string{"a"}})
	way := &cutter{base: s.base}
	v := s.resourceServer(resource.WithHTTPClient(&http.Client{Transport: way}))
	s.heard(v)
	tokens := []string{s.token(app), s.token(app), s.token(app)}
	for _, token := range tokens {
		wantVerdict(t, v, token, nil)
	}
	for _, token := range tokens[:2] {
		way.set(true)
		s.form("/oauth/revoke", []string{"token", token}, basic(app)).ok()
		way.set(false)
		s.heard(v)
		wantVerdict(t, v, token, resource.ErrRevoked)
	}
	wantVerdict(t, v, tokens[2], nil)
}
