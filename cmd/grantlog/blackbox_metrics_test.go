package main_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// fetch gets a page that the description of the API does not know.
func fetch(t testing.TB, url string) (status int, text string) {
	t.Helper()
	r, err := (&http.Client{Timeout: patience}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// metric returns the sum of the samples of a name whose labels contain all the
// given ones.
func metric(t testing.TB, text, name string, labels ...string) (sum float64) {
	t.Helper()
	found := false
samples:
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(\{.*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		for _, label := range labels {
			if !strings.Contains(m[1], label) {
				continue samples
			}
		}
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, found = sum+v, true
	}
	if !found {
		t.Errorf("no %s with %v", name, labels)
	}
	return sum
}

// Section 1: --metrics-listen is an address of its own, whose names are as
// Prometheus wants them and which tells nobody's secret.
func TestMetrics(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	s := start(t, "--metrics-listen", address)
	s.position() // what the server does by itself is done: nothing is on its way
	admin := s.admin()
	app := s.create(admin)
	token := s.token(app)
	s.live(app, token)
	s.live(app, token)
	listener := s.listen("/oauth/revocations/stream", admin, "")
	s.form("/oauth/revoke", []string{"token", token}, basic(app)).ok()
	if _, ok := listener.next(); !ok {
		t.Error("the stream ended")
	}
	s.eventually("what the listener heard is counted", func() bool {
		_, text := fetch(t, "http://"+address+"/metrics")
		return strings.Contains(text, "grantlog_feed_delay_seconds_count 1\n") && strings.Contains(text, `grantlog_feed_listeners{route="/oauth/revocations/stream"} 1`)
	})
	listener.cancel()
	wrong := app
	wrong.ClientSecret = "wrong-secret"
	s.requestToken(wrong).want(http.StatusUnauthorized)

	status, text := fetch(t, "http://"+address+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	const requests = "grantlog_http_request_duration_seconds_count"
	for _, want := range []struct {
		count int
		name  string
		label []string
	}{
		{2, requests, []string{`route="/oauth/token"`, `status="200"`}},
		{1, requests, []string{`route="/oauth/token"`, `status="401"`}},
		{2, requests, []string{`route="/oauth/introspect"`, `status="200"`}},
		{1, requests, []string{`route="/oauth/revoke"`, `status="200"`, `method="POST"`}},
		{1, "grantlog_log_fresh", nil},
		{0, "grantlog_log_lag_records", nil},
	} {
		if got := metric(t, text, want.name, want.label...); got != float64(want.count) {
			t.Errorf("%s %v is %v, want %d", want.name, want.label, got, want.count)
		}
	}
	if written := metric(t, text, "grantlog_log_append_duration_seconds_count", `outcome="ok"`); written < 4 {
		t.Errorf("%v writes", written)
	}
	if position := metric(t, text, "grantlog_log_position"); position < 4 || position > float64(s.position()) {
		t.Errorf("position %v", position)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "grantlog_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, private := range []string{token, admin, app.ClientSecret, app.ClientID, app.ID, wrong.ClientSecret, app.OrganizationID + `"`} {
		if strings.Contains(text, private) {
			t.Error("the metrics tell of a client or a secret")
		}
	}

	if status, _ := fetch(t, fmt.Sprintf("http://%s/healthz", address)); status != http.StatusOK {
		t.Errorf("healthz beside the metrics: %d", status)
	}
	if status, _ := fetch(t, fmt.Sprintf("http://%s/oauth/jwks", address)); status != http.StatusNotFound {
		t.Errorf("the API beside the metrics: %d", status)
	}
	if status, _ := fetch(t, s.issuer()+"/metrics"); status != http.StatusNotFound {
		t.Errorf("metrics beside the API: %d", status)
	}
}
