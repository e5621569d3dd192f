package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// otlpSpan is a span as an OTLP/HTTP receiver gets it.
type otlpSpan struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	StartTimeUnixNano, EndTimeUnixNano  string
	Attributes                          []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
	Status struct{ Code int }
}

func (s otlpSpan) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.StringValue + a.Value.IntValue
		}
	}
	return ""
}

// collector takes traces as OpenTelemetry's does.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	text   strings.Builder // all that came
	spans  []otlpSpan
	failed []string
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	r := &collector{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body struct {
			ResourceSpans []struct {
				Resource   struct{ Attributes []struct{ Key string } }
				ScopeSpans []struct{ Spans []otlpSpan }
			}
		}
		err := json.NewDecoder(http.MaxBytesReader(w, q.Body, 8<<20)).Decode(&body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil || q.URL.Path != "/v1/traces" || q.Header.Get("Content-Type") != "application/json" || q.Header.Get("X-Key") != "a b" {
			r.failed = append(r.failed, q.URL.Path)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		whole, _ := json.Marshal(body)
		r.text.Write(whole)
		for _, of := range body.ResourceSpans {
			for _, made := range of.ScopeSpans {
				r.spans = append(r.spans, made.Spans...)
			}
		}
		w.Write([]byte("{}"))
	}))
	t.Cleanup(r.Close)
	return r
}

// find returns the spans of a name in a trace.
func (r *collector) find(trace, name string) (found []otlpSpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.TraceID == trace && s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// Traces go where the environment says: the request continues the caller's
// trace, with the append and the apply below it and the id that the log's
// events name.
func TestTraces(t *testing.T) {
	t.Parallel()
	r := startCollector(t)
	s := prepare(t)
	s.env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-key=a%20b", "OTEL_BSP_SCHEDULE_DELAY=100"}
	s.start()
	app := s.create(s.admin())
	const trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	answer := s.form("/oauth/token", []string{"grant_type", "client_credentials"}, basic(app), header("traceparent", "00-"+trace+"-"+caller+"-01")).ok()
	token := as[tokenResponse](answer).AccessToken
	s.form("/oauth/introspect", []string{"token", token}, basic(app), header("traceparent", "00-"+trace+"-"+caller+"-00")).ok()
	s.stop() // what is left is sent

	requests, appends, applies := r.find(trace, "POST /oauth/token"), r.find(trace, "append"), r.find(trace, "apply")
	if len(requests) != 1 || len(appends) != 1 || len(applies) != 1 {
		t.Fatalf("%d requests, %d appends, %d applies in the trace; refused: %v\n%s", len(requests), len(appends), len(applies), r.failed, s.out.tail())
	}
	request := requests[0]
	if request.ParentSpanID != caller || request.Kind != 2 || request.Status.Code != 0 || request.attribute("http.response.status_code") != "200" ||
		request.attribute("http.route") != "/oauth/token" || request.attribute("grantlog.request_id") != answer.header.Get("X-Request-Id") {
		t.Errorf("request: %+v", request)
	}
	for _, step := range []otlpSpan{appends[0], applies[0]} {
		if step.ParentSpanID != request.SpanID || step.Kind != 1 || step.attribute("grantlog.position") == "" ||
			step.StartTimeUnixNano < request.StartTimeUnixNano || step.EndTimeUnixNano > request.EndTimeUnixNano {
			t.Errorf("%s: %+v", step.Name, step)
		}
	}
	if applies[0].StartTimeUnixNano < appends[0].EndTimeUnixNano {
		t.Error("applied before it was appended")
	}
	if got := r.find(trace, "POST /oauth/introspect"); len(got) != 0 {
		t.Error("a trace that its caller does not record is recorded")
	}
	for _, secret := range []string{token, app.ClientSecret, app.ClientID} {
		if strings.Contains(r.text.String(), secret) {
			t.Error("a trace tells what a client sent")
		}
	}
	if !strings.Contains(r.text.String(), "service.name") {
		t.Error("the spans are nobody's")
	}
}

// A receiver that is not there costs spans and nothing else.
func TestTracesWithoutAReceiver(t *testing.T) {
	t.Parallel()
	s := prepare(t, "--otlp-endpoint", "http://127.0.0.1:1")
	s.env = []string{"OTEL_BSP_SCHEDULE_DELAY=50"}
	s.start()
	app := s.create(s.admin())
	s.live(app, s.token(app))
	s.eventually("the loss is told", func() bool { return strings.Contains(s.out.String(), "traces cannot be sent") })
	s.live(app, s.token(app))
	s.stop()
	if n := strings.Count(s.out.String(), "traces cannot be sent"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// Settings that cannot work stop the start with one line, which shows no
// credentials.
func TestTraceSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ env, want string }{
		{"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318", "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ftp://x", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		{"OTEL_EXPORTER_OTLP_HEADERS=s3cret", "OTEL_EXPORTER_OTLP_HEADERS"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_PROTOCOL"},
	} {
		s := prepare(t)
		if !strings.Contains(c.env, "ENDPOINT") {
			s.args = []string{"--otlp-endpoint", "http://127.0.0.1:1"}
		}
		r := s.refusedToStart([]string{c.env})
		if oneClearLine(t, r, c.want); strings.Contains(r.stderr, "s3cret") {
			t.Error("a header is printed")
		}
	}
}
