package oauth

import (
	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
)

const requestIDKey = "grantlog.request"

// RequestID is the server-made id of a request: the X-Request-Id of the answer
// and the correlation of the events it causes. A caller's own X-Request-Id is
// not taken over, so that nobody can forge a trail in the log.
func RequestID(c echo.Context) string {
	if id, ok := c.Get(requestIDKey).(string); ok {
		return id
	}
	id := events.NewID("r_")
	c.Set(requestIDKey, id)
	c.Response().Header().Set(echo.HeaderXRequestID, id)
	return id
}
