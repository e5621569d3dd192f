package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/health"
	"github.com/grantlog/grantlog/handlers/openapi"
	"github.com/grantlog/grantlog/projections/follow"
)

// errNotReached is why a replica that starts has no log.
var errNotReached = errors.New("it was not reached yet")

// Starting returns the handler of a replica whose log is not open yet: it is
// alive, not ready, and answers everything else with 503. logReplicas is how
// many copies its log is to have; why is what it waits for, nil if that is to
// reach the log.
func Starting(log *slog.Logger, logReplicas int, why error) http.Handler {
	errStarting := fmt.Errorf("%w: %w", follow.ErrNotReady, cmp.Or(why, errNotReached))
	e := newEcho(Config{Log: log})
	root := e.Group("")
	mount(root, &health.Endpoint{
		Status: func() follow.Status { return follow.Status{Beacon: -1} }, Fresh: func() error { return errStarting }, LogReplicas: logReplicas,
	}, openapi.Endpoint{})
	answerHead(e)
	e.RouteNotFound("/*", func(echo.Context) error { return errStarting })
	return e
}
