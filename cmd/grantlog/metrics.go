package main

import (
	"log/slog"
	"net"
	"net/http"

	"github.com/grantlog/grantlog/handlers/metrics"
)

// startMetrics serves the metrics of a replica on an address of its own, if
// one was given, from before its log is open.
func (r *replica) startMetrics() error {
	if r.set.MetricsListen == "" {
		return nil
	}
	l, err := net.Listen("tcp", string(r.set.MetricsListen))
	if err != nil {
		return err
	}
	r.metrics = metrics.New(version())
	r.site.observe, r.site.damaged = r.metrics.Commit, r.metrics.Damage
	r.meter = &http.Server{
		Handler:           r.metrics.Handler(),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	go func() {
		// It ends with the replica, whose requests do not depend on it.
		if err := r.meter.Serve(l); err != http.ErrServerClosed {
			r.log.Error("the metrics are not served any more", "error", err)
		}
	}()
	r.log.Info("metrics are served", "url", "http://"+l.Addr().String()+"/metrics")
	return nil
}
