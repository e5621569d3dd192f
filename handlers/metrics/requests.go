package metrics

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// otherLabel stands for whatever clients can make up.
const otherLabel = "other"

// streamSuffix ends the routes of live streams. They are counted while they
// last: their duration says nothing.
const streamSuffix = "/stream"

func (m *Metrics) makeRequests() {
	m.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: "http", Name: "request_duration_seconds",
		Help:    "Time from a request's head to the end of its answer. Issuance, introspection and revocation are the routes /oauth/token, /oauth/introspect and /oauth/revoke.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 2.5, 10},
	}, []string{"method", "route", "status"})
	m.throttled = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "throttled_requests_total",
		Help: "Requests answered 429: too many failures of a client or account, or a rate limit reached.",
	}, []string{"route"})
	m.feedDelay = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: "feed", Name: "delay_seconds",
		Help:    "Time from a revocation's event, by the clock of the replica that wrote it, to its sending to a listener of the stream who was there before it.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5, 30},
	})
	m.listeners = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "feed_listeners",
		Help: "Clients that listen to a live stream.",
	}, []string{"route"})
}

// Requests counts the requests of a router. It belongs around all other
// middleware, and has errors written before it looks at the status.
func (m *Metrics) Requests(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		route := routeOf(c)
		stream := strings.HasSuffix(route, streamSuffix)
		if stream {
			m.listeners.WithLabelValues(route).Inc()
			defer m.listeners.WithLabelValues(route).Dec()
		}
		began := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		status := c.Response().Status
		if status == http.StatusTooManyRequests {
			m.throttled.WithLabelValues(route).Inc()
		}
		if !stream || status != http.StatusOK {
			m.requests.WithLabelValues(methodOf(c), route, strconv.Itoa(status)).Observe(time.Since(began).Seconds())
		}
		return nil
	}
}

// FeedDelay counts how old a revocation was when a listener was sent it. A nil
// Metrics counts nothing.
func (m *Metrics) FeedDelay(age time.Duration) {
	if m != nil {
		m.feedDelay.Observe(max(0, age).Seconds())
	}
}

// routeOf is the pattern that the request matched. What no endpoint owns is one
// route, however many paths there are.
func routeOf(c echo.Context) string {
	if route := c.Path(); route != "" && route != "/*" {
		return route
	}
	return otherLabel
}

func methodOf(c echo.Context) string {
	switch m := c.Request().Method; m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return otherLabel
}
