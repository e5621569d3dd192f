// Package metrics owns what a replica tells Prometheus of itself: requests by
// route and status, writes to the log, and where its state stands.
//
// Everything is kept in a registry of its own. Labels take their values from
// short lists that this server makes (routes, methods, outcomes) and from the
// names of the NATS servers; no id, name or secret of a client is ever one. A Metrics is safe for concurrent use, and
// nothing in it blocks.
package metrics

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/grantlog/grantlog/projections/follow"
)

const namespace = "grantlog"

// Metrics counts what a replica does.
type Metrics struct {
	registry *prometheus.Registry
	status   atomic.Pointer[func() follow.Status]

	requests  *prometheus.HistogramVec
	throttled *prometheus.CounterVec
	listeners *prometheus.GaugeVec
	feedDelay prometheus.Histogram

	appends    *prometheus.HistogramVec
	pageEvents prometheus.Histogram
	pageBytes  prometheus.Histogram
	retries    prometheus.Counter

	failedChecks *prometheus.CounterVec // by server of NATS
	failedAt     *prometheus.GaugeVec

	pushes   *prometheus.HistogramVec
	webhooks atomic.Pointer[func() []Webhooks]
}

// New returns the metrics of a replica of this version.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.makeRequests()
	m.makeLog()
	m.makeWebhooks()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1, with the version of the program.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
		m.requests, m.throttled, m.listeners, m.feedDelay, m.appends, m.pageEvents, m.pageBytes, m.retries, m.failedChecks, m.failedAt, (*stateCollector)(m),
		m.pushes, (*webhookCollector)(m),
	)
	return m
}

// Follow makes the metrics show where the replica's state stands. Before, that
// part is missing.
func (m *Metrics) Follow(status func() follow.Status) { m.status.Store(&status) }

// Handler answers GET /metrics, and GET /healthz as the server itself does. It
// is for an address of its own, which clients do not reach.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"status":"ok"}` + "\n"))
	})
	return mux
}
