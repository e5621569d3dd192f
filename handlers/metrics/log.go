package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grantlog/grantlog/events/journal"
)

func (m *Metrics) makeLog() {
	m.appends = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: "log", Name: "append_duration_seconds",
		Help:    "Time from the first publish of a page to its outcome: ok, conflict, unavailable or uncertain.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 2.5, 5, 10, 20},
	}, []string{"outcome"})
	m.pageEvents = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: "log", Name: "page_events",
		Help: "Events of a page that was written.", Buckets: prometheus.ExponentialBuckets(1, 2, 11),
	})
	m.pageBytes = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: "log", Name: "page_bytes",
		Help: "Size of a page that was written.", Buckets: prometheus.ExponentialBuckets(256, 4, 7),
	})
	m.failedChecks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: "log", Name: "failed_checks_total",
		Help: "Places where a server's copy of the log was not what had been written. They are read again from another server.",
	}, []string{"server"})
	m.failedAt = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "log", Name: "failed_check_position",
		Help: "Position of the last one in the copy of each server.",
	}, []string{"server"})
	m.retries = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: "log", Name: "append_retries_total",
		Help: "Publishes that were sent again because there was no answer.",
	})
}

// Commit counts a write; it is for journal.Config.Observe.
func (m *Metrics) Commit(c journal.Commit) {
	m.appends.WithLabelValues(outcome(c.Err)).Observe(c.Took.Seconds())
	if c.Attempts > 1 {
		m.retries.Add(float64(c.Attempts - 1))
	}
	if c.Err == nil {
		m.pageEvents.Observe(float64(c.Events))
		m.pageBytes.Observe(float64(c.Bytes))
	}
}

// Damage counts a copy that failed a check; it is for journal.Config.Damaged.
func (m *Metrics) Damage(d journal.Damage) {
	m.failedChecks.WithLabelValues(d.Server).Inc()
	m.failedAt.WithLabelValues(d.Server).Set(float64(d.Position))
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, journal.ErrConflict):
		return "conflict"
	case errors.Is(err, journal.ErrUncertain):
		return "uncertain"
	default:
		return "unavailable"
	}
}

// stateCollector shows one picture of the follower at each scrape.
type stateCollector Metrics

func stateDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "log", name), help, nil, nil)
}

var (
	descPosition  = stateDesc("position", "Position of the last record that this replica shows.")
	descLag       = stateDesc("lag_records", "Records that the log is known to have after that one.")
	descFreshness = stateDesc("freshness_seconds", "Age of the last proof that the state is current: the last own beacon or write.")
	descBeacon    = stateDesc("beacon_age_seconds", "Age of the last own beacon. A replica that writes sends none: its freshness is what counts.")
	descLeader    = stateDesc("leader_known", "1 if the leader of the log answered when it was last asked.")
	descFresh     = stateDesc("fresh", "1 while this replica may answer, 0 while it answers 503.")
	descSnapshot  = stateDesc("snapshot_position", "Position of the newest snapshot; 0: there is none.")
)

// Describe implements prometheus.Collector.
func (s *stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descPosition, descLag, descFreshness, descBeacon, descLeader, descFresh, descSnapshot} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s *stateCollector) Collect(out chan<- prometheus.Metric) {
	status := s.status.Load()
	if status == nil {
		return
	}
	now := (*status)()
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(descPosition, float64(now.Position))
	gauge(descLag, float64(now.Lag))
	gauge(descFreshness, now.Freshness.Seconds())
	if now.Beacon >= 0 {
		gauge(descBeacon, now.Beacon.Seconds())
	}
	gauge(descLeader, truth(now.Leader))
	gauge(descFresh, truth(now.Err == nil))
	gauge(descSnapshot, float64(now.Snapshot))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
