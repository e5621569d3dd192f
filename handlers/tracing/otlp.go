package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// sendTimeout bounds one request to the receiver.
const sendTimeout = 10 * time.Second

// exporter sends spans as OTLP/HTTP with JSON bodies. The project's own
// exporter would bring gRPC into the program (ADR 20).
type exporter struct {
	url     string
	headers map[string]string
	client  *http.Client
	log     *slog.Logger
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter. A failure is told once, until
// sending works again: the spans are lost.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.send(ctx, spans)
	if was := e.failing.Swap(err != nil); err != nil && !was {
		e.log.Warn("traces cannot be sent", "err", err)
	} else if err == nil && was {
		e.log.Info("traces are sent again")
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

func (e *exporter) send(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	body, err := json.Marshal(traces(spans))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range e.headers {
		r.Header.Set(name, value)
	}
	answer, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answers %d", answer.StatusCode)
	}
	return nil
}

// The JSON form of ExportTraceServiceRequest (OTLP 1.11, "JSON Protobuf
// Encoding"): ids in hex, 64-bit integers as strings, enumerations as numbers.
type (
	otlpRequest struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpResource     `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeSpans struct {
		Scope otlpScope  `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpScope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		ParentID   string          `json:"parentSpanId,omitempty"`
		State      string          `json:"traceState,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
		Status     otlpStatus      `json:"status"`
	}
	otlpStatus struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
	otlpAttribute struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// traces is the form of spans of one resource and one scope.
func traces(spans []sdktrace.ReadOnlySpan) otlpRequest {
	var of otlpResourceSpans
	var made otlpScopeSpans
	for i, s := range spans {
		if i == 0 {
			of.Resource.Attributes = attributes(s.Resource().Attributes())
			made.Scope = otlpScope{Name: s.InstrumentationScope().Name, Version: s.InstrumentationScope().Version}
		}
		made.Spans = append(made.Spans, span(s))
	}
	of.ScopeSpans = []otlpScopeSpans{made}
	return otlpRequest{ResourceSpans: []otlpResourceSpans{of}}
}

func span(s sdktrace.ReadOnlySpan) otlpSpan {
	own := otlpSpan{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(),
		State: s.SpanContext().TraceState().String(),
		Name:  s.Name(), Kind: int(s.SpanKind()), // counted alike
		Start: nano(s.StartTime()), End: nano(s.EndTime()), Attributes: attributes(s.Attributes()),
	}
	if parent := s.Parent(); parent.HasSpanID() {
		own.ParentID = parent.SpanID().String()
	}
	switch s.Status().Code { // OTLP counts Ok and Error the other way round
	case codes.Ok:
		own.Status.Code = 1
	case codes.Error:
		own.Status = otlpStatus{Code: 2, Message: s.Status().Description}
	}
	return own
}

func nano(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func attributes(all []attribute.KeyValue) (out []otlpAttribute) {
	for _, a := range all {
		out = append(out, otlpAttribute{Key: string(a.Key), Value: value(a.Value)})
	}
	return out
}

func value(v attribute.Value) map[string]any {
	switch v.Type() {
	case attribute.BOOL:
		return map[string]any{"boolValue": v.AsBool()}
	case attribute.INT64:
		return map[string]any{"intValue": strconv.FormatInt(v.AsInt64(), 10)}
	case attribute.FLOAT64:
		return map[string]any{"doubleValue": v.AsFloat64()}
	}
	return map[string]any{"stringValue": v.String()}
}
