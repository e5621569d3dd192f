// Package service owns POST /service/{profile}/{environment}/json/{uuid}: a
// call of a service, judged by the guard and passed on to its upstream. What
// the caller sends goes to the upstream's URL as it is configured; the path of
// the call is grantlog's own and says nothing there.
package service

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// Bounds of a call.
const (
	maxRequest = 8 << 20          // bytes
	maxAnswer  = 64 << 20         // bytes; a longer one is cut off
	maxCall    = 60 * time.Second // from the first byte to the last
)

// Endpoint calls services.
type Endpoint struct {
	guard *guard.Guard
	log   *slog.Logger
	open  http.RoundTripper // to any address
	bound http.RoundTripper // to public addresses
}

// New returns an Endpoint.
func New(g *guard.Guard, log *slog.Logger) *Endpoint {
	return &Endpoint{guard: g, log: log, open: newTransport(true), bound: newTransport(false)}
}

// Mount adds the endpoint to a router that answers from a fresh state only.
func (e *Endpoint) Mount(g *echo.Group) {
	g.POST("/service/:profile/:environment/json/:uuid", e.call)
}

func (e *Endpoint) call(c echo.Context) error {
	r := c.Request()
	name := command.ServiceName{Profile: c.Param("profile"), Environment: c.Param("environment"), UUID: c.Param("uuid")}
	// A service that asks for no token does not look at one.
	token, noToken := authn.BearerToken(r)
	pass, err := e.guard.Check(r.Context(), guard.Call{Token: token, Service: &name})
	pass.WriteQuota(c.Response().Header())
	if noToken != nil && errors.Is(err, command.ErrTokenInvalid) {
		return noToken
	}
	if err != nil {
		return err
	}
	status := http.StatusBadGateway // of an answer that breaks off, which panics
	defer func() { e.guard.Done(pass, status) }()
	err = e.forward(c, pass)
	status = c.Response().Status
	var answer *oauth.Error
	if errors.As(err, &answer) {
		status = answer.Status
	}
	return err
}

// forward passes a call on and its answer back. It returns an error if there
// is no answer.
func (e *Endpoint) forward(c echo.Context, pass guard.Pass) error {
	if c.Request().ContentLength > maxRequest {
		return oauth.ErrTooLarge
	}
	target, err := url.Parse(pass.Service.Upstream)
	if err != nil {
		return err // it was checked before it was recorded
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), maxCall)
	defer cancel()
	// A reader that stalls is let go too, with time left to answer an error.
	if err := http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(maxCall + maxSilence)); err != nil {
		return err
	}
	r := c.Request().WithContext(ctx)
	sent := &sent{ReadCloser: http.MaxBytesReader(c.Response(), r.Body, maxRequest)}
	r.Body = sent
	var failure error
	proxy := httputil.ReverseProxy{
		Transport: e.bound, BufferPool: buffers, ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
		Rewrite:        func(p *httputil.ProxyRequest) { rewrite(p, target, pass, oauth.RequestID(c)) },
		ModifyResponse: func(answer *http.Response) error { return adopt(answer, c.Response().Header()) },
		ErrorHandler:   func(_ http.ResponseWriter, _ *http.Request, err error) { failure = err },
	}
	if pass.Service.Private {
		proxy.Transport = e.open
	}
	proxy.ServeHTTP(c.Response(), r)
	if failure == nil {
		return nil
	}
	e.log.Info("a service could not be called", "uuid", pass.Service.ID, "error", failure)
	return refusal(failure, sent)
}

// Answers for an upstream that gives none.
var (
	errFailed = &oauth.Error{Status: http.StatusBadGateway, Code: oauth.CodeServerError, Message: "The service's upstream failed"}
	errLate   = &oauth.Error{Status: http.StatusGatewayTimeout, Code: oauth.CodeServerError, Message: "The service's upstream did not answer in time"}
)

func refusal(failure error, sent *sent) error {
	var tooLarge *http.MaxBytesError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(failure, &tooLarge):
		return oauth.ErrTooLarge
	case sent.broken.Load():
		return oauth.Invalid("The request body could not be read")
	case errors.Is(failure, context.DeadlineExceeded), errors.As(failure, &timeout) && timeout.Timeout():
		return errLate
	}
	return errFailed
}

// ownHeaders are between the caller and grantlog.
var ownHeaders = []string{"Authorization", "Cookie", "Set-Cookie", "Consistency-Token", "Connection", "Upgrade"}

// rewrite makes the upstream's request out of the caller's.
func rewrite(p *httputil.ProxyRequest, target *url.URL, pass guard.Pass, request string) {
	to := *target
	if query := p.Out.URL.RawQuery; query != "" && to.RawQuery != "" {
		to.RawQuery += "&" + query
	} else if query != "" {
		to.RawQuery = query
	}
	p.Out.URL, p.Out.Host = &to, ""
	for _, name := range ownHeaders {
		p.Out.Header.Del(name)
	}
	pass.WriteIdentity(p.Out.Header)
	p.Out.Header.Set(echo.HeaderXRequestID, request)
}

// adopt makes the caller's answer out of the upstream's: what the guard says
// is not the upstream's to say, and what stands at the issuer's address must
// not run there in a browser.
func adopt(answer *http.Response, said http.Header) error {
	for name := range said {
		answer.Header.Del(name)
	}
	for _, name := range ownHeaders {
		answer.Header.Del(name)
	}
	answer.Header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	answer.Header.Set("X-Content-Type-Options", "nosniff")
	answer.Body = &bounded{ReadCloser: answer.Body, left: maxAnswer}
	return nil
}
