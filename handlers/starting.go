package handlers

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/health"
	"github.com/grantlog/grantlog/handlers/openapi"
	"github.com/grantlog/grantlog/projections/follow"
)

// errStarting is the answer of a replica that has not reached its log yet.
var errStarting = fmt.Errorf("%w: it was not reached yet", follow.ErrNotReady)

// Starting returns the handler of a replica whose log is not open yet: it is
// alive, not ready, and answers everything else with 503. logReplicas is how
// many copies its log is to have.
func Starting(log *slog.Logger, logReplicas int) http.Handler {
	e := newEcho(Config{Log: log})
	root := e.Group("")
	mount(root, &health.Endpoint{
		Status: func() follow.Status { return follow.Status{Beacon: -1} }, Fresh: func() error { return errStarting }, LogReplicas: logReplicas,
	}, openapi.Endpoint{})
	answerHead(e)
	e.RouteNotFound("/*", func(echo.Context) error { return errStarting })
	return e
}
