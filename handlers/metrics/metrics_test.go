package metrics_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/metrics"
	"github.com/grantlog/grantlog/projections/follow"
)

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

func TestRequests(t *testing.T) {
	m := metrics.New("v1")
	e := echo.New()
	e.Use(m.Requests)
	e.POST("/oauth/token", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.GET("/oauth/applications/:id", func(echo.Context) error { return echo.NewHTTPError(http.StatusNotFound) })
	e.GET("/busy", func(echo.Context) error { return echo.NewHTTPError(http.StatusTooManyRequests) })
	e.GET("/oauth/events/stream", func(c echo.Context) error {
		wantLines(t, scrape(t, m), `grantlog_feed_listeners{route="/oauth/events/stream"} 1`)
		return c.NoContent(http.StatusOK)
	})
	for _, r := range []string{
		"POST /oauth/token", "POST /oauth/token", "GET /oauth/applications/secret1", "GET /oauth/applications/secret2",
		"GET /busy", "GET /nowhere/secret3", "POST /nowhere/secret4", "SECRET5 /oauth/token", "GET /oauth/events/stream",
	} {
		method, path, _ := strings.Cut(r, " ")
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
	}
	text := scrape(t, m)
	count := func(method, route string, status, n int) string {
		return fmt.Sprintf(`grantlog_http_request_duration_seconds_count{method=%q,route=%q,status="%d"} %d`, method, route, status, n)
	}
	wantLines(t, text,
		count("POST", "/oauth/token", 200, 2), count("GET", "/oauth/applications/:id", 404, 2),
		count("GET", "/busy", 429, 1), `grantlog_throttled_requests_total{route="/busy"} 1`,
		count("GET", "other", 404, 1), count("POST", "other", 404, 1), count("other", "/oauth/token", 405, 1),
		`grantlog_feed_listeners{route="/oauth/events/stream"} 0`,
	)
	if strings.Contains(strings.ToLower(text), "secret") {
		t.Errorf("a label shows what a client sent:\n%s", text)
	}
	if strings.Contains(text, `request_duration_seconds_count{method="GET",route="/oauth/events/stream"`) {
		t.Error("the duration of a live stream is taken for a latency")
	}
}

func TestLog(t *testing.T) {
	m := metrics.New("v1")
	if text := scrape(t, m); strings.Contains(text, "grantlog_log_position") {
		t.Error("a replica without a state shows where it stands")
	}
	m.Follow(func() follow.Status {
		return follow.Status{Position: 41, Last: 43, Lag: 2, Freshness: 1500 * time.Millisecond, Beacon: 2 * time.Second, Leader: true, Snapshot: 40}
	})
	m.Commit(journal.Commit{Events: 3, Bytes: 900, Attempts: 1, Took: 2 * time.Millisecond})
	m.Commit(journal.Commit{Events: 1, Bytes: 300, Attempts: 3, Took: 4 * time.Second, Err: fmt.Errorf("x: %w", journal.ErrUncertain)})
	m.Commit(journal.Commit{Events: 1, Bytes: 300, Attempts: 1, Err: journal.ErrConflict})
	m.Commit(journal.Commit{Events: 1, Bytes: 300, Err: journal.ErrUnavailable})
	m.Damage(journal.Damage{Position: 17, Server: "nats-2"})
	wantLines(t, scrape(t, m),
		`grantlog_log_failed_checks_total{server="nats-2"} 1`, `grantlog_log_failed_check_position{server="nats-2"} 17`,
		"grantlog_log_position 41", "grantlog_log_lag_records 2", "grantlog_log_freshness_seconds 1.5", "grantlog_log_fresh 1",
		"grantlog_log_beacon_age_seconds 2", "grantlog_log_leader_known 1",
		"grantlog_log_snapshot_position 40", "grantlog_log_append_retries_total 2",
		"grantlog_log_page_events_sum 3", "grantlog_log_page_events_count 1", "grantlog_log_page_bytes_sum 900",
		`grantlog_log_append_duration_seconds_count{outcome="ok"} 1`, `grantlog_log_append_duration_seconds_count{outcome="uncertain"} 1`,
		`grantlog_log_append_duration_seconds_count{outcome="conflict"} 1`, `grantlog_log_append_duration_seconds_count{outcome="unavailable"} 1`,
		`grantlog_build_info{version="v1"} 1`,
	)
	m.Follow(func() follow.Status { return follow.Status{Err: errors.New("stale"), Beacon: -1} })
	text := scrape(t, m)
	if wantLines(t, text, "grantlog_log_fresh 0", "grantlog_log_leader_known 0"); strings.Contains(text, "beacon_age") {
		t.Error("a beacon that was never sent has an age")
	}
}

func TestWebhooks(t *testing.T) {
	m := metrics.New("v1")
	if text := scrape(t, m); strings.Contains(text, "grantlog_webhooks") {
		t.Error("a replica that knows of no webhooks counts them")
	}
	m.Webhooks(func() []metrics.Webhooks {
		return []metrics.Webhooks{{Status: "active", Count: 3}, {Status: "dead", Count: 1, Lag: 40}}
	})
	m.Push("acknowledged", 3*time.Millisecond)
	m.Push("acknowledged", 3*time.Millisecond)
	m.Push("failed", 10*time.Second)
	wantLines(t, scrape(t, m),
		`grantlog_webhooks{status="active"} 3`, `grantlog_webhooks{status="dead"} 1`,
		`grantlog_webhook_lag_records{status="active"} 0`, `grantlog_webhook_lag_records{status="dead"} 40`,
		`grantlog_webhook_push_duration_seconds_count{outcome="acknowledged"} 2`, `grantlog_webhook_push_duration_seconds_count{outcome="failed"} 1`,
	)
}

// The names are as Prometheus users expect them.
func TestNames(t *testing.T) {
	m := metrics.New("v1")
	m.Follow(func() follow.Status { return follow.Status{} })
	m.Commit(journal.Commit{Events: 1, Attempts: 2})
	m.Push("failed", time.Second)
	m.Webhooks(func() []metrics.Webhooks { return []metrics.Webhooks{{Status: "active"}} })
	e := echo.New()
	e.Use(m.Requests)
	e.GET("/x/stream", func(echo.Context) error { return echo.NewHTTPError(http.StatusTooManyRequests) })
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x/stream", nil))
	problems, err := promlint.New(strings.NewReader(scrape(t, m))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "grantlog_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestHealth(t *testing.T) {
	w := httptest.NewRecorder()
	metrics.New("v1").Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"status":"ok"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
