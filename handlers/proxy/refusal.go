package proxy

import (
	"context"
	"errors"
	"net/http"

	"github.com/grantlog/grantlog/handlers/oauth"
)

// Answers where an upstream gives none.
var (
	errFailed = &oauth.Error{Status: http.StatusBadGateway, Code: oauth.CodeServerError, Message: "The upstream failed"}
	errLate   = &oauth.Error{Status: http.StatusGatewayTimeout, Code: oauth.CodeServerError, Message: "The upstream did not answer in time"}
	errSlow   = &oauth.Error{Status: http.StatusRequestTimeout, Code: oauth.CodeInvalidRequest, Message: "The request body did not arrive in time"}
	errBroken = oauth.Invalid("The request body could not be read")
	errEnded  = errors.New("the token counts no longer")
)

// refusal is the answer to a call whose upstream gave none.
func (x *exchange) refusal(ctx context.Context) error {
	if x.sent != nil {
		if broken := x.sent.broken.Load(); broken != nil {
			return fault(*broken)
		}
	}
	answer := errFailed
	if context.Cause(ctx) == errLate || isTimeout(x.failure) {
		answer = errLate
	}
	if x.context.Request().Context().Err() == nil { // the caller waits
		x.proxy.Log.Warn("an upstream gave no answer", "upstream", x.to.Name, "status", answer.Status, "error", x.failure)
	}
	return answer
}

// fault is the answer to a body that could not be read.
func fault(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return oauth.ErrTooLarge
	}
	if isTimeout(err) {
		return errSlow
	}
	return errBroken
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}
