// Package health owns GET /healthz, whether the process answers, and GET
// /readyz, whether this replica may be asked: caught up with the log, able to
// prove that it is fresh, and not about to stop.
package health

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections/follow"
)

// Endpoint is the pair of health endpoints.
type Endpoint struct {
	Status      func() follow.Status
	Fresh       func() error // whether requests are answered, and if not, why
	LogReplicas int
	stopping    atomic.Bool
}

// Stop makes /readyz answer 503 from now on, so that balancers turn away
// before the listener closes.
func (e *Endpoint) Stop() { e.stopping.Store(true) }

// Mount adds the endpoints to a router.
func (e *Endpoint) Mount(r *echo.Group) {
	r.GET("/healthz", e.healthz)
	r.GET("/readyz", e.readyz)
}

func (e *Endpoint) healthz(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// readiness is the body of /readyz.
type readiness struct {
	Status      string          `json:"status"`           // ready, stopping, or unready
	Reason      string          `json:"reason,omitempty"` // why not ready
	Position    events.Position `json:"position"`         // last applied record
	Lag         uint64          `json:"lag"`              // records known to follow it
	Freshness   float64         `json:"freshness"`        // seconds since the last proof of freshness
	BeaconAge   *float64        `json:"beaconAge"`        // the same of the last own beacon; null: none was sent
	Leader      bool            `json:"leader"`           // the log's leader answered when it was last asked
	LogReplicas int             `json:"logReplicas"`
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

func (e *Endpoint) readyz(c echo.Context) error {
	s := e.Status()
	body := readiness{
		Status: "ready", Position: s.Position, Lag: s.Lag, Leader: s.Leader,
		Freshness: seconds(s.Freshness), LogReplicas: e.LogReplicas,
	}
	if s.Beacon >= 0 {
		age := seconds(s.Beacon)
		body.BeaconAge = &age
	}
	status := http.StatusOK
	if err := e.Fresh(); err != nil {
		status, body.Status, body.Reason = http.StatusServiceUnavailable, "unready", err.Error()
	}
	if e.stopping.Load() {
		status, body.Status, body.Reason = http.StatusServiceUnavailable, "stopping", ""
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(status, body)
}
