package command

import "fmt"

// Kind classifies a refusal in domain terms. Package oauth maps each kind to
// its HTTP status and protocol code, once.
type Kind int

// The kinds of refusal.
const (
	KindInvalid            Kind = iota + 1 // the request makes no sense as it stands
	KindInvalidClient                      // client authentication failed
	KindInvalidGrant                       // the presented grant does not count
	KindInvalidScope                       // asks for more than there is
	KindUnauthorizedClient                 // the client may not use this grant
	KindUnsupportedGrant                   // nobody may use this grant here
	KindInvalidToken                       // the bearer token does not count
	KindForbidden                          // the caller lacks a scope
	KindNotFound                           // no such thing in the caller's organization
	KindConflict                           // someone else changed it meanwhile
	KindPrecondition                       // If-Match names another revision
	KindThrottled                          // too many failures from this pair
	KindKeyReused                          // the Idempotency-Key stands for another request
	KindGone                               // it was there, and is not any more
)

// Error is a refusal. Message is written for the caller and names no secret.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return e.Message }

// Is makes errors.Is compare kinds, so that tests and handlers need no text.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && (t.Message == "" || t.Message == e.Message)
}

// Refusals whose words are part of the public contract.
var (
	ErrInvalidClient     = &Error{KindInvalidClient, "Invalid client credentials"}
	ErrInsufficientScope = &Error{KindForbidden, "Insufficient scope for this endpoint"}
	ErrTokenExpired      = &Error{KindInvalidToken, "Token expired"}
	ErrTokenRevoked      = &Error{KindInvalidToken, "Token revoked"}
	ErrTokenInvalid      = &Error{KindInvalidToken, "Invalid token"}
	ErrNotFound          = &Error{KindNotFound, "Not found"}

	// ErrNotYours refuses a client that names another's token (RFC 7009
	// section 2.1).
	ErrNotYours = &Error{KindUnauthorizedClient, "The token was issued to another client"}

	// ErrMissingParameters is also the answer for parameters of a service's
	// token request that name nothing.
	ErrMissingParameters = &Error{KindInvalid, "Missing required parameters"}
)

// Invalid is a request that makes no sense as it stands.
func Invalid(format string, args ...any) *Error {
	return &Error{KindInvalid, fmt.Sprintf(format, args...)}
}
