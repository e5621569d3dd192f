package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/command"
)

// protocolPaths answer errors in both forms, RFC 6749's and the flat one; all
// other endpoints answer in the flat form alone.
var protocolPaths = []string{
	"/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/jwks", "/oauth/userinfo",
}

type flatBody struct {
	Code       int    `json:"code"`
	Message    string `json:"message"`
	RetryAfter int    `json:"retryAfter,omitempty"`
}

type protocolBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	flatBody
}

// ErrorHandler writes every error of every endpoint. Errors that match one of
// unavailable mean that the log or this replica's view of it failed: they are
// answered 503, as is a request that ran out of time waiting for the log; now
// and then one of them is logged.
// Anything unknown is logged and answered as server_error, without details.
func ErrorHandler(log *slog.Logger, unavailable ...error) echo.HTTPErrorHandler {
	var refused refusals
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		answer := classify(err, unavailable)
		switch {
		case answer.Status == http.StatusInternalServerError:
			log.Error("request failed", "method", c.Request().Method, "route", c.Path(), "error", err)
		case answer.Status == http.StatusServiceUnavailable:
			if unlogged, logged := refused.tell(time.Now()); logged {
				log.Warn("request refused", "method", c.Request().Method, "route", c.Path(), "error", err, "unlogged", unlogged)
			}
		}
		if err := write(c, answer); err != nil {
			log.Debug("error answer not delivered", "error", err)
		}
	}
}

func classify(err error, unavailable []error) *Error {
	var own *Error
	var refusal *command.Error
	var framework *echo.HTTPError
	var gone archived
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &refusal):
		return fromCommand(refusal)
	case errors.As(err, &gone):
		return fromArchived(gone)
	case slices.ContainsFunc(unavailable, func(target error) bool { return errors.Is(err, target) }),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return ErrUnavailable
	case errors.As(err, &framework):
		return fromFramework(framework.Code)
	}
	return serverError
}

// fromFramework keeps Echo's status and replaces its words.
func fromFramework(status int) *Error {
	switch status {
	case http.StatusNotFound:
		return &Error{Status: status, Code: "not_found", Message: "Not found"}
	case http.StatusMethodNotAllowed:
		return &Error{Status: status, Code: CodeInvalidRequest, Message: "Method not allowed"}
	case http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	}
	if status >= 400 && status < 500 {
		return &Error{Status: status, Code: CodeInvalidRequest, Message: http.StatusText(status)}
	}
	return serverError
}

func write(c echo.Context, e *Error) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	if e.Challenge != "" {
		h.Set("WWW-Authenticate", e.Challenge)
	}
	if e.Begins > 0 {
		h.Set(FirstHeader, strconv.FormatUint(uint64(e.Begins), 10))
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	if c.Request().Method == http.MethodHead {
		return c.NoContent(e.Status)
	}
	flat := flatBody{Code: e.Status, Message: e.Message}
	if e.Status == http.StatusTooManyRequests {
		flat.RetryAfter = e.RetryAfter
	}
	var body any = flat
	if slices.Contains(protocolPaths, c.Request().URL.Path) {
		body = protocolBody{Error: e.Code, Description: e.Message, flatBody: flat}
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.JSONBlob(e.Status, encoded)
}
