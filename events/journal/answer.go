package journal

import (
	"errors"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// An answer is what one publish tells.
type answer int

const (
	unanswered answer = iota // it may have been written
	absent                   // it was not written: nobody received it
	refused                  // it was not written, and trying again does not help soon
	conflict                 // it was not written: the subject has another last position
)

// Why a publish was not sent.
var (
	errNotSent      = errors.New("not sent")
	errNotConnected = errors.New("not connected")
	errNeverAgain   = errors.New("the connection is closed")
)

// Error codes of the server that the jetstream package does not name.
const (
	codeAccountExceeded   jetstream.ErrorCode = 10002 // account limit
	codeInsufficient      jetstream.ErrorCode = 10023 // server limit: the store is full
	codeMemoryExceeded    jetstream.ErrorCode = 10028
	codeStorageExceeded   jetstream.ErrorCode = 10047
	codeInvalidConfig     jetstream.ErrorCode = 10052
	codeStreamMismatch    jetstream.ErrorCode = 10060
	codeSubjectOverlap    jetstream.ErrorCode = 10065
	codeNotClustered      jetstream.ErrorCode = 10074
	codeStreamStoreFailed jetstream.ErrorCode = 10077 // a limit of the stream
	codeHeaderTooLarge    jetstream.ErrorCode = 10097
	codeSealed            jetstream.ErrorCode = 10109
)

// refusals are the answers that the server gives before it stores a message.
// Any other error is taken as no answer.
var refusals = []jetstream.ErrorCode{
	codeAccountExceeded, codeInsufficient, codeMemoryExceeded, codeStorageExceeded, codeStreamMismatch,
	codeStreamStoreFailed, codeHeaderTooLarge, codeSealed,
	jetstream.JSErrCodeStreamMessageExceedsMaximum, jetstream.JSErrCodeStreamNotFound,
	jetstream.JSErrCodeJetStreamNotEnabled, jetstream.JSErrCodeJetStreamNotEnabledForAccount,
}

// judge reads the error of one publish.
func judge(err error) answer {
	switch code := apiCode(err); {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrReconnectBufExceeded),
		err == errNotConnected, err == errNotSent:
		return absent
	case err == errNeverAgain, errors.Is(err, nats.ErrMaxPayload), slices.Contains(refusals, code):
		return refused
	case code == jetstream.JSErrCodeStreamWrongLastSequence, code == jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return conflict
	}
	return unanswered
}

// apiCode returns the server's code of an error, or 0.
func apiCode(err error) jetstream.ErrorCode {
	var e jetstream.JetStreamError
	if errors.As(err, &e) && e.APIError() != nil {
		return e.APIError().ErrorCode
	}
	return 0
}
