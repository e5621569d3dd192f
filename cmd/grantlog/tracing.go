package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/grantlog/grantlog/handlers/tracing"
)

// Variables of the OpenTelemetry specification, which operators set for all
// their programs alike.
const (
	otlpBase     = "OTEL_EXPORTER_OTLP_ENDPOINT"
	otlpTraces   = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	otlpHeaders  = "OTEL_EXPORTER_OTLP_HEADERS"
	otlpProtocol = "OTEL_EXPORTER_OTLP_PROTOCOL"

	otlpTracesPath = "/v1/traces"
)

// startTracing sends traces to where the settings or the environment say, or
// nowhere: then it returns nil.
func startTracing(ctx context.Context, c *serveSettings, lookup func(string) (string, bool), log *slog.Logger) (*tracing.Tracing, error) {
	receiver, err := otlpReceiver(c.OTLPEndpoint, lookup)
	if err != nil || receiver == "" {
		return nil, err
	}
	text, _ := lookup(otlpHeaders)
	headers, err := parseHeaders(text)
	if err != nil {
		return nil, err
	}
	t, err := tracing.New(ctx, tracing.Config{URL: receiver, Headers: headers, Version: version(), Logger: log})
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return t, nil
}

// otlpReceiver returns the URL that takes traces; empty: there is none.
func otlpReceiver(flag string, lookup func(string) (string, bool)) (string, error) {
	name, receiver := "--otlp-endpoint", flag
	if receiver == "" {
		name = otlpTraces
		receiver, _ = lookup(otlpTraces)
	}
	whole := receiver != "" && flag == ""
	if receiver == "" {
		name = otlpBase
		receiver, _ = lookup(otlpBase)
	}
	if receiver == "" {
		return "", nil
	}
	if protocol, _ := lookup(otlpProtocol); protocol == "grpc" {
		return "", fmt.Errorf("%s is grpc; only http/json is spoken here, with the same receivers at their other port", otlpProtocol)
	}
	u, err := url.Parse(receiver)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", fmt.Errorf("%s: want a URL such as http://127.0.0.1:4318", name)
	}
	if whole {
		return receiver, nil
	}
	return u.JoinPath(otlpTracesPath).String(), nil
}

var errHeaders = errors.New(otlpHeaders + ": want name=value,name=value with values in URL encoding")

// parseHeaders reads the headers that are sent along. The error shows none:
// they hold credentials.
func parseHeaders(text string) (map[string]string, error) {
	headers := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil {
			return nil, errHeaders
		}
		headers[name] = value
	}
	return headers, nil
}

// stopTracing sends what is left.
func stopTracing(t *tracing.Tracing, log *slog.Logger) {
	if t == nil {
		return
	}
	if err := t.Close(); err != nil {
		log.Warn("the last traces could not be sent", "err", err)
	}
}
