// Package tracing owns the spans of requests, for servers that were told where
// to send them: the request, which continues the caller's trace (W3C Trace
// Context), and below it what package emit does: append and apply.
//
// A span tells the method, the route's pattern, the status, the position of
// what was appended, and the request's id, by which the log's events name their
// cause. It never holds what a client sent: no path, no query, no body.
//
// Spans leave in batches, in the background. A receiver that does not answer
// loses spans and holds nobody up.
package tracing

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/grantlog/grantlog/handlers/oauth"
)

const (
	scope = "github.com/grantlog/grantlog"

	// flushTimeout bounds the last sending at the end.
	flushTimeout = 5 * time.Second
)

// Config says where spans go. The SDK reads the OTEL_TRACES_SAMPLER,
// OTEL_BSP_… , OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES of the
// environment itself.
type Config struct {
	URL     string            // of the receiver's OTLP/HTTP traces
	Headers map[string]string // sent along, such as credentials; may be nil
	Version string            // of this program
	Logger  *slog.Logger
}

// Tracing makes spans. It is safe for concurrent use.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	accept   propagation.TraceContext
}

// New starts to send spans. Close ends it.
func New(ctx context.Context, cfg Config) (*Tracing, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "grantlog"), attribute.String("service.version", cfg.Version)),
		resource.WithHost(), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(about),
		sdktrace.WithBatcher(&exporter{url: cfg.URL, headers: cfg.Headers, client: &http.Client{Timeout: sendTimeout}, log: cfg.Logger}),
	)
	return &Tracing{provider: provider, tracer: provider.Tracer(scope, trace.WithInstrumentationVersion(cfg.Version))}, nil
}

// Close sends what is left, for a few seconds at most.
func (t *Tracing) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// Requests is the middleware that makes a span of each request. It has errors
// written before it looks at the status.
func (t *Tracing) Requests(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		route := c.Path()
		ctx := t.accept.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, name(r.Method, route), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", method(r.Method)), attribute.String("http.route", route),
			attribute.String("grantlog.request_id", oauth.RequestID(c)),
		))
		defer span.End()
		c.SetRequest(r.WithContext(ctx))
		if err := next(c); err != nil {
			c.Error(err)
		}
		status := c.Response().Status
		if span.SetAttributes(attribute.Int("http.response.status_code", status)); status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		return nil
	}
}

// otherMethod stands for whatever clients can make up.
const otherMethod = "_OTHER"

func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return otherMethod
}

func name(m, route string) string {
	if m = method(m); m == otherMethod {
		m = "HTTP"
	}
	if route == "" {
		return m
	}
	return m + " " + route
}
