package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// answer is as long as a token response of grantlog: an ES256 token of one
// scope under an issuer on loopback.
var answer = []byte(`{"access_token":"` + strings.Repeat("x", 500) + `","token_type":"Bearer","expires_in":3600,"scope":"read:customers"}`)

// Bare serves the handler that servers are compared with until ctx ends: it
// parses a form POST and answers fixed JSON.
func Bare(ctx context.Context, listen string) error {
	e := echo.New()
	e.GET("/readyz", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.POST("/*", func(c echo.Context) error {
		form, err := c.FormParams()
		if err != nil || len(form) == 0 {
			return c.NoContent(http.StatusBadRequest)
		}
		return c.JSONBlob(http.StatusOK, answer)
	})
	return listenAndServe(ctx, listen, e)
}

// listenAndServe serves a handler until ctx ends.
func listenAndServe(ctx context.Context, listen string, handler http.Handler) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("bench: %w", err)
	}
	return <-stopped
}
