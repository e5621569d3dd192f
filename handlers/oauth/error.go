// Package oauth owns the protocol's vocabulary: how parameters and client
// credentials are read from a request, and the one table that turns a refusal
// into status, RFC 6749 code and body. It decides nothing.
package oauth

import (
	"fmt"
	"net/http"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
)

// Error is an answer other than success.
type Error struct {
	Status     int
	Code       string          // RFC 6749 section 5.2, RFC 6750 section 3.1
	Message    string          // for the caller: plain, without secrets or echoes
	RetryAfter int             // seconds; 0: no Retry-After
	Challenge  string          // WWW-Authenticate; empty: none
	Begins     events.Position // FirstHeader; 0: none
}

func (e *Error) Error() string { return e.Message }

// The codes that bodies carry in "error".
const (
	CodeInvalidRequest       = "invalid_request"
	CodeInvalidClient        = "invalid_client"
	CodeInvalidGrant         = "invalid_grant"
	CodeInvalidScope         = "invalid_scope"
	CodeUnauthorizedClient   = "unauthorized_client"
	CodeUnsupportedGrantType = "unsupported_grant_type"
	CodeInvalidToken         = "invalid_token"
	CodeInsufficientScope    = "insufficient_scope"
	CodeUnavailable          = "temporarily_unavailable"
	CodeServerError          = "server_error"
)

// row is how one kind of refusal is answered.
type row struct {
	status int
	code   string
	scheme string // of the challenge
}

// table is the only mapping from domain refusals to the protocol.
var table = map[command.Kind]row{
	command.KindInvalid:            {http.StatusBadRequest, CodeInvalidRequest, ""},
	command.KindInvalidClient:      {http.StatusUnauthorized, CodeInvalidClient, "Basic"},
	command.KindInvalidGrant:       {http.StatusBadRequest, CodeInvalidGrant, ""},
	command.KindInvalidScope:       {http.StatusBadRequest, CodeInvalidScope, ""},
	command.KindUnauthorizedClient: {http.StatusBadRequest, CodeUnauthorizedClient, ""},
	command.KindUnsupportedGrant:   {http.StatusBadRequest, CodeUnsupportedGrantType, ""},
	command.KindInvalidToken:       {http.StatusUnauthorized, CodeInvalidToken, "Bearer"},
	command.KindForbidden:          {http.StatusForbidden, CodeInsufficientScope, "Bearer"},
	command.KindNotFound:           {http.StatusNotFound, "not_found", ""},
	command.KindConflict:           {http.StatusConflict, "conflict", ""},
	command.KindPrecondition:       {http.StatusPreconditionFailed, "precondition_failed", ""},
	command.KindThrottled:          {http.StatusTooManyRequests, CodeUnavailable, ""},
	command.KindKeyReused:          {http.StatusUnprocessableEntity, CodeInvalidRequest, ""},
	command.KindGone:               {http.StatusGone, "gone", ""},
}

func fromCommand(e *command.Error) *Error {
	r, ok := table[e.Kind]
	if !ok {
		return serverError
	}
	out := &Error{Status: r.status, Code: r.code, Message: e.Message}
	if r.scheme != "" {
		out.Challenge = challenge(r.scheme, r.code, e.Message)
	}
	return out
}

// challenge writes a WWW-Authenticate value (RFC 9110 section 11.6.1). The
// message is one of ours and holds no quotes.
func challenge(scheme, code, message string) string {
	if scheme == "Basic" {
		return `Basic realm="grantlog", charset="UTF-8"`
	}
	return `Bearer realm="grantlog", error="` + code + `", error_description="` + message + `"`
}

var (
	serverError = &Error{Status: http.StatusInternalServerError, Code: CodeServerError, Message: "The server failed to answer"}

	// ErrUnavailable is the answer while the log cannot be written or this
	// replica cannot prove that it is fresh.
	ErrUnavailable = &Error{
		Status: http.StatusServiceUnavailable, Code: CodeUnavailable,
		Message: "The log cannot be reached; retry", RetryAfter: 2,
	}

	// ErrNoToken is a request without credentials where some are needed: the
	// challenge carries no error code (RFC 6750 section 3.1).
	ErrNoToken = &Error{
		Status: http.StatusUnauthorized, Code: CodeInvalidToken,
		Message: "Missing access token", Challenge: `Bearer realm="grantlog"`,
	}
)

// FirstHeader names the first record of a log whose beginning was archived.
const FirstHeader = "Log-First-Position"

// archived is an error of whoever needs a record before the beginning of the
// log.
type archived interface {
	error
	Begins() events.Position
}

func fromArchived(e archived) *Error {
	return &Error{
		Status: http.StatusGone, Code: "gone", Begins: e.Begins(),
		Message: fmt.Sprintf("The log before position %d was archived; ask from there on, or whoever keeps the archive", e.Begins()),
	}
}

// Invalid is a malformed request: 400 invalid_request.
func Invalid(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: message}
}
