package proxy_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/proxy"
	"github.com/grantlog/grantlog/projections"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// never is a bound that no test meets.
const never = time.Hour

// face is a server that forwards every call to one upstream, as calls that are
// nobody's: the guard has nothing to say about them.
type face struct {
	t      *testing.T
	server *httptest.Server
	client *http.Client
	seen   chan int // the status of every call, when it is over
}

// newFace forwards with bounds of one's own; what is left out is never met.
func newFace(t *testing.T, to proxy.Target, bounds proxy.Config) *face {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	bounds.Issuer, bounds.Log = "https://issuer.example:8443", quiet
	for _, d := range []*time.Duration{&bounds.Upload, &bounds.Answer, &bounds.Silence, &bounds.Stall} {
		if *d == 0 {
			*d = never
		}
	}
	p, err := proxy.New(bounds)
	if err != nil {
		t.Fatal(err)
	}
	f := &face{t: t, client: &http.Client{Transport: &http.Transport{}}, seen: make(chan int, 100)}
	f.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	router := echo.New()
	router.HTTPErrorHandler = oauth.ErrorHandler(quiet)
	router.IPExtractor = echo.ExtractIPDirect()
	pass := guard.Pass{Service: &projections.Service{ID: "5"}}
	router.Any("/call", func(c echo.Context) error {
		oauth.RequestID(c)
		c.Response().Header().Set("X-Ratelimit-Limit", "50")
		c.Response().Header().Set("Cache-Control", "no-store")
		defer func() { f.seen <- c.Response().Status }()
		return p.Forward(c, pass, func(context.Context) (proxy.Target, error) { return to, nil })
	})
	router.POST("/other", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	f.server = httptest.NewServer(router)
	f.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		f.server.Close()
		p.Close()
	})
	return f
}

func (f *face) request(method string, body io.Reader, header ...string) *http.Request {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+"/call?x=1&y=%2F", body)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	return r
}

// post returns the answer and as much of its body as there is.
func (f *face) post(body string, header ...string) (*http.Response, string, error) {
	f.t.Helper()
	answer, err := f.client.Do(f.request(http.MethodPost, strings.NewReader(body), header...))
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer, string(text), err
}

// upstream runs a handler; it is stopped after whoever calls it.
func upstream(t *testing.T, handler http.HandlerFunc) proxy.Target {
	t.Helper()
	s := httptest.NewServer(handler)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	t.Cleanup(s.Close)
	return target(t, s.URL)
}

func target(t *testing.T, address string) proxy.Target {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return proxy.Target{Name: "test", URL: *u, Private: true}
}

// raw answers with bytes that need not be HTTP.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			io.WriteString(c, text)
			c.Close()
		}
	}
}

func header(names map[string]string, h http.Header) (wrong []string) {
	for name, want := range names {
		if got := strings.Join(h.Values(name), ", "); got != want {
			wrong = append(wrong, name+": "+got+", want "+want)
		}
	}
	return wrong
}
