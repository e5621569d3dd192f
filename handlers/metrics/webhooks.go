package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Webhooks are those of one status.
type Webhooks struct {
	Status string
	Count  int
	Lag    uint64 // of the one that is furthest behind, in records
}

func (m *Metrics) makeWebhooks() {
	m.pushes = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "webhook_push_duration_seconds",
		Help:    "Time of a push to a webhook's receiver, by its outcome: acknowledged, failed or refused.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 2.5, 5, 10},
	}, []string{"outcome"})
}

// Push counts a push to a receiver. outcome is one of a few words.
func (m *Metrics) Push(outcome string, took time.Duration) {
	m.pushes.WithLabelValues(outcome).Observe(took.Seconds())
}

// Webhooks makes the metrics show how webhooks do. Before, that part is missing.
func (m *Metrics) Webhooks(read func() []Webhooks) { m.webhooks.Store(&read) }

// webhookCollector shows the webhooks at each scrape: those of all
// organizations, the same on every replica.
type webhookCollector Metrics

var (
	descWebhooks = prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "webhooks"),
		"Webhooks by status: active, failing or dead.", []string{"status"}, nil)
	descWebhookLag = prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "webhook_lag_records"),
		"Records of the log by which the furthest behind of the webhooks of a status is behind the last ending of its organization.", []string{"status"}, nil)
)

// Describe implements prometheus.Collector.
func (c *webhookCollector) Describe(out chan<- *prometheus.Desc) {
	out <- descWebhooks
	out <- descWebhookLag
}

// Collect implements prometheus.Collector.
func (c *webhookCollector) Collect(out chan<- prometheus.Metric) {
	read := c.webhooks.Load()
	if read == nil {
		return
	}
	for _, w := range (*read)() {
		out <- prometheus.MustNewConstMetric(descWebhooks, prometheus.GaugeValue, float64(w.Count), w.Status)
		out <- prometheus.MustNewConstMetric(descWebhookLag, prometheus.GaugeValue, float64(w.Lag), w.Status)
	}
}
