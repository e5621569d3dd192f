package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/command"
)

var errLog = errors.New("the log is gone")

func answer(t *testing.T, path string, err error) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var logged strings.Builder
	w := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodPost, path, nil), w)
	ErrorHandler(slog.New(slog.NewTextHandler(&logged, nil)), errLog)(err, c)
	return w, logged.String()
}

// Bodies are part of the contract, so they are compared to the letter.
func TestErrorBodies(t *testing.T) {
	tests := []struct {
		name, path string
		err        error
		status     int
		body       string
	}{
		{
			"client authentication", "/oauth/token", command.ErrInvalidClient, 401,
			`{"error":"invalid_client","error_description":"Invalid client credentials","code":401,"message":"Invalid client credentials"}`,
		},
		{
			"the flat form elsewhere", "/oauth/applications", fmt.Errorf("wrapped: %w", command.ErrTokenExpired), 401,
			`{"code":401,"message":"Token expired"}`,
		},
		{
			"a failure of the log", "/oauth/introspect", fmt.Errorf("append: %w", errLog), 503,
			`{"error":"temporarily_unavailable","error_description":"The log cannot be reached; retry","code":503,"message":"The log cannot be reached; retry"}`,
		},
		{
			"time ran out", "/oauth/applications", context.DeadlineExceeded, 503,
			`{"code":503,"message":"The log cannot be reached; retry"}`,
		},
		{
			"throttled", "/oauth/applications", &Error{Status: 429, Message: "Rate limit exceeded", RetryAfter: 7}, 429,
			`{"code":429,"message":"Rate limit exceeded","retryAfter":7}`,
		},
		{
			"unknown route", "/nowhere", echo.ErrNotFound, 404,
			`{"code":404,"message":"Not found"}`,
		},
		{
			"unexpected", "/oauth/token", errors.New("dial tcp 10.0.0.1: secret detail"), 500,
			`{"error":"server_error","error_description":"The server failed to answer","code":500,"message":"The server failed to answer"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, logged := answer(t, tt.path, tt.err)
			if w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.body {
				t.Errorf("got %d %s\nwant %d %s", w.Code, w.Body, tt.status, tt.body)
			}
			if (tt.status >= 500) != (logged != "") {
				t.Errorf("logged %q for status %d", logged, tt.status)
			}
		})
	}
}

func TestErrorHeaders(t *testing.T) {
	w, _ := answer(t, "/oauth/token", command.ErrInvalidClient)
	if got := w.Header().Get("WWW-Authenticate"); got != `Basic realm="grantlog", charset="UTF-8"` {
		t.Errorf("challenge %q", got)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Pragma") != "no-cache" {
		t.Errorf("an error may be cached: %v", w.Header())
	}
	w, _ = answer(t, "/oauth/userinfo", command.ErrTokenRevoked)
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="grantlog", error="invalid_token", error_description="Token revoked"` {
		t.Errorf("challenge %q", got)
	}
	w, _ = answer(t, "/oauth/revoke", errLog)
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q", got)
	}
}

// Every kind of refusal has a row: a new kind without one would be a 500.
func TestTableIsComplete(t *testing.T) {
	for kind := command.KindInvalid; kind <= command.KindThrottled; kind++ {
		if _, ok := table[kind]; !ok {
			t.Errorf("kind %d has no row", kind)
		}
	}
}
