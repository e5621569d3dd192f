package handlers

import (
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/projections/notary"
)

// newEcho returns a router that recovers from panics, names every request and
// writes every error through the one table of package oauth.
func newEcho(cfg Config) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(slogWriter{cfg.Log})
	e.HTTPErrorHandler = oauth.ErrorHandler(cfg.Log,
		journal.ErrUnavailable, journal.ErrUncertain, erasable.ErrUnavailable, follow.ErrStale, follow.ErrDamaged, follow.ErrNotReady, follow.ErrClosed, follow.ErrNoBase, notary.ErrUnavailable)
	e.IPExtractor = echo.ExtractIPDirect()
	if len(cfg.TrustedProxies) > 0 {
		trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
		for _, network := range cfg.TrustedProxies {
			trust = append(trust, echo.TrustIPRange(&net.IPNet{
				IP: network.Addr().AsSlice(), Mask: net.CIDRMask(network.Bits(), network.Addr().BitLen()),
			}))
		}
		e.IPExtractor = echo.ExtractIPFromXFFHeader(trust...)
	}
	if cfg.Metrics != nil {
		e.Use(cfg.Metrics.Requests)
	}
	if cfg.Tracing != nil {
		e.Use(cfg.Tracing.Requests)
	}
	e.Use(middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true}), nameRequest)
	return e
}

// nameRequest gives every answer its X-Request-Id, and keeps it out of caches
// unless its handler says otherwise.
func nameRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		oauth.RequestID(c)
		c.Response().Header().Set("Cache-Control", "no-store")
		return next(c)
	}
}

// slogWriter carries what Echo itself logs.
type slogWriter struct{ log *slog.Logger }

func (w slogWriter) Write(b []byte) (int, error) {
	w.log.Debug("echo", "line", string(b))
	return len(b), nil
}

// answerHead lets HEAD ask for what GET gives (RFC 9110 section 9.1): monitors
// and load balancers do. Live streams are left out: they have no end.
func answerHead(e *echo.Echo) {
	routes := e.Routes()
	for _, r := range routes {
		answered := func(other *echo.Route) bool { return other.Method == http.MethodHead && other.Path == r.Path }
		if r.Method != http.MethodGet || strings.HasSuffix(r.Path, "/stream") || slices.ContainsFunc(routes, answered) {
			continue
		}
		found := e.NewContext(nil, nil)
		e.Router().Find(http.MethodGet, r.Path, found)
		e.HEAD(r.Path, found.Handler())
	}
}

// exempt keeps a middleware away from the routes that exist already.
func exempt(routes []*echo.Route, m echo.MiddlewareFunc) echo.MiddlewareFunc {
	exempted := map[string]bool{}
	for _, r := range routes {
		exempted[r.Path] = true
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		guarded := m(next)
		return func(c echo.Context) error {
			if exempted[c.Path()] {
				return next(c)
			}
			return guarded(c)
		}
	}
}
