package proxy

import (
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// Headers of a call that go no further, in lower case. An upstream would
// believe them about the caller or the connection; or they name another method
// or path than the one that the guard judged.
var (
	withheld = []string{
		"cookie", "consistency-token", "forwarded", "via", "x-real-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "http2-settings",
		"x-http-method", "x-http-method-override", "x-method-override", "x-rewrite-url",
	}
	withheldPrefixes = []string{"x-auth-", "x-forwarded-", "x-original-"}
)

// Headers of an answer that are not an upstream's to set, at the address where
// grantlog itself is reached.
var reserved = []string{
	"Set-Cookie", "Consistency-Token", "Strict-Transport-Security", "Clear-Site-Data", "Alt-Svc", "Content-Security-Policy",
}

func isWithheld(name string) bool {
	// Servers behind CGI-like interfaces take X_Auth_Scope for X-Auth-Scope:
	// such names are dropped, as nginx does.
	if strings.Contains(name, "_") {
		return true
	}
	name = strings.ToLower(name)
	return slices.Contains(withheld, name) ||
		slices.ContainsFunc(withheldPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// rewrite makes the upstream's request out of the caller's.
func (x *exchange) rewrite(r *httputil.ProxyRequest) {
	to := x.to.URL
	if query := r.Out.URL.RawQuery; query != "" && to.RawQuery != "" {
		to.RawQuery += "&" + query
	} else if query != "" {
		to.RawQuery = query
	}
	r.Out.URL, r.Out.Host = &to, ""

	h := r.Out.Header
	maps.DeleteFunc(h, func(name string, _ []string) bool { return isWithheld(name) })
	if !x.to.PassToken {
		h.Del("Authorization")
	}
	if !x.upgrades(r.In) {
		h.Del("Connection")
		h.Del("Upgrade")
	}
	h.Set("X-Forwarded-For", x.context.RealIP())
	h.Set("X-Forwarded-Host", x.proxy.issuer.Host)
	h.Set("X-Forwarded-Proto", x.proxy.issuer.Scheme)
	for _, configured := range x.to.Headers {
		h.Set(configured.Name, configured.Value)
	}
	x.pass.WriteIdentity(h)
	h.Set(echo.HeaderXRequestID, x.context.Response().Header().Get(echo.HeaderXRequestID))
	if x.to.Body != "" {
		r.Out.Body, r.Out.ContentLength = io.NopCloser(strings.NewReader(x.to.Body)), int64(len(x.to.Body))
		r.Out.TransferEncoding, r.Out.Trailer = nil, nil
		h.Del("Content-Encoding")
	}
}

// upgrades reports a call that may become a WebSocket. Nothing else is
// tunnelled: in HTTP/2, say, further calls would follow that nobody judges.
func (x *exchange) upgrades(r *http.Request) bool {
	return x.to.Upgrade && r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// adopt makes the caller's answer out of the upstream's: what the guard says
// is not the upstream's to say, and what stands at the issuer's address must
// not run there in a browser.
func (x *exchange) adopt(answer *http.Response) error {
	ctx := answer.Request.Context()
	for _, name := range reserved {
		answer.Header.Del(name)
	}
	for name, values := range x.context.Response().Header() {
		if name != "Cache-Control" || answer.Header.Get(name) == "" {
			answer.Header[name] = values
		}
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		x.clock.Stop()
		x.watch(ctx)
		return nil
	}
	answer.Header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	answer.Header.Set("X-Content-Type-Options", "nosniff")
	x.clock.Reset(x.proxy.Silence)
	answer.Body = &received{ReadCloser: answer.Body, clock: x.clock, silence: x.proxy.Silence}
	if answer.ContentLength < 0 {
		x.watch(ctx)
	}
	return nil
}
