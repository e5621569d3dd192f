// Package proxy owns how a call that the guard let pass goes on to an upstream,
// and the answer back: for the gateway and for services.
//
// The upstream learns who calls from the guard alone (rewrite.go), bodies are
// streamed both ways through small buffers, and whoever stalls is let go: the
// caller who sends or takes nothing, the upstream that answers nothing. A call
// that lasts, such as a WebSocket, ends with its token. The guard is told how
// every call was answered.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/egress"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// Config is what a Proxy works with. Guard, Issuer and Log are required.
type Config struct {
	Guard  *guard.Guard
	Issuer string // upstreams are told that this is where the call came in
	Log    *slog.Logger

	// Bounds of a call; zero values mean the defaults.
	MaxRequest int64         // bytes of a request's body: 10 MiB
	Upload     time.Duration // for a request's body to arrive: 30 s
	Answer     time.Duration // from the call to the header of its answer: 60 s
	Silence    time.Duration // of an upstream in the middle of an answer: 2 min
	Stall      time.Duration // of a caller that takes no more of an answer: 30 s
	Recheck    time.Duration // how often a call that lasts is judged again: 5 s
}

// Proxy passes calls on. It is safe for concurrent use.
type Proxy struct {
	Config
	issuer  *url.URL
	reverse httputil.ReverseProxy
	open    *http.Transport // to any address
	bound   *http.Transport // to public addresses
}

// New returns a Proxy. The issuer is a URL.
func New(c Config) (*Proxy, error) {
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, err
	}
	orDefault(&c.MaxRequest, 10<<20)
	orDefault(&c.Upload, 30*time.Second)
	orDefault(&c.Answer, time.Minute)
	orDefault(&c.Silence, 2*time.Minute)
	orDefault(&c.Stall, 30*time.Second)
	orDefault(&c.Recheck, 5*time.Second)
	p := &Proxy{Config: c, issuer: issuer, open: egress.Transport(true), bound: egress.Transport(false)}
	p.reverse = httputil.ReverseProxy{
		Transport: p, BufferPool: buffers, FlushInterval: -1, ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
		Rewrite:        func(r *httputil.ProxyRequest) { exchangeOf(r.In.Context()).rewrite(r) },
		ModifyResponse: func(answer *http.Response) error { return exchangeOf(answer.Request.Context()).adopt(answer) },
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			exchangeOf(r.Context()).failure = err
		},
	}
	return p, nil
}

func orDefault[T int64 | time.Duration](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}

// Close lets the connections go that no call uses.
func (p *Proxy) Close() {
	p.open.CloseIdleConnections()
	p.bound.CloseIdleConnections()
}

// RoundTrip sends what rewrite made of a call.
func (p *Proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	if exchangeOf(r.Context()).to.Private {
		return p.open.RoundTrip(r)
	}
	return p.bound.RoundTrip(r)
}

// Target is where a call goes.
type Target struct {
	Name      string // for the log
	URL       url.URL
	Headers   []events.UpstreamHeader // in place of the caller's
	Body      string                  // in place of the caller's; empty: the caller's
	PassToken bool                    // the caller's Authorization goes along
	Private   bool                    // it may be on any address
	Upgrade   bool                    // to WebSocket
}

// Forward answers a call that passed with the upstream's answer. aim says where
// it goes; its error, as any other, is the answer, if none was begun.
func (p *Proxy) Forward(c echo.Context, pass guard.Pass, aim func(context.Context) (Target, error)) error {
	status := http.StatusBadGateway // of an answer that breaks off: that panics
	defer func() { p.Guard.Done(pass, status) }()
	err := p.forward(c, pass, aim)
	status = c.Response().Status
	if answer, ok := errors.AsType[*oauth.Error](err); ok {
		status = answer.Status
	} else if err != nil {
		status = http.StatusServiceUnavailable
	}
	return err
}

func (p *Proxy) forward(c echo.Context, pass guard.Pass, aim func(context.Context) (Target, error)) error {
	r := c.Request()
	to, err := aim(r.Context())
	if err != nil {
		return err
	}
	if r.ContentLength > p.MaxRequest {
		return oauth.ErrTooLarge
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	x := &exchange{proxy: p, context: c, pass: pass, to: to, cancel: cancel}
	x.answer = &writer{to: c.Response(), control: http.NewResponseController(c.Response()), header: http.Header{}, stall: p.Stall}
	if err := x.answer.begin(p.Upload, r.Body == http.NoBody); err != nil {
		return err
	}
	x.clock = time.AfterFunc(p.Answer, func() { cancel(errLate) })
	defer x.clock.Stop()
	r = r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
	if r.Body != http.NoBody {
		// The bare writer: it closes the connection of a body that is too long.
		x.sent = &sent{ReadCloser: http.MaxBytesReader(c.Response().Writer, r.Body, p.MaxRequest), control: x.answer.control}
		r.Body = x.sent
	}
	p.reverse.ServeHTTP(x.answer, r)
	if x.failure == nil || c.Response().Committed {
		return nil
	}
	return x.refusal(ctx)
}

// An exchange is one call and its answer.
type exchange struct {
	proxy   *Proxy
	context echo.Context
	pass    guard.Pass
	to      Target
	cancel  context.CancelCauseFunc
	clock   *time.Timer // ends the exchange unless it is set anew
	sent    *sent       // nil: the call has no body
	answer  *writer
	failure error // there is no answer
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// watch ends an exchange that lasts longer than its token counts.
func (x *exchange) watch(ctx context.Context) {
	if x.pass.Token.Application == "" {
		return // a service that everybody may call
	}
	var next *time.Timer
	var mu sync.Mutex
	mu.Lock()
	defer mu.Unlock()
	next = time.AfterFunc(x.proxy.Recheck, func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case ctx.Err() != nil: // it is over
		case !x.proxy.Guard.Authn.StillLive(authn.Caller{Token: x.pass.Token}):
			x.cancel(errEnded)
		default:
			next.Reset(x.proxy.Recheck)
		}
	})
}
