package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/grantlog/grantlog/handlers/egress"
	"github.com/grantlog/grantlog/projections"
)

// failure is a push that was not acknowledged. Its text is one of a few, and
// holds nothing that the receiver said but a code of RFC 8935.
type failure struct {
	text    string
	refused bool // the receiver says that it will never take this one
}

func (f *failure) Error() string { return f.text }

var (
	errUnreachable = &failure{text: "The receiver could not be reached"}
	errSlow        = &failure{text: "The receiver did not answer in time"}
	errAddress     = &failure{text: "The receiver is not on a public address"}
	errRedirect    = &failure{text: "The receiver answered with a redirect"}
	errBroken      = &failure{text: "The receiver answered with a server error"}
	errUnexpected  = &failure{text: "The receiver answered with another status than 202"}
	errUnexplained = &failure{text: "The receiver answered 400 without an error code of RFC 8935"}
)

// Codes of RFC 8935 section 2.4. The first ones may heal without us, when the
// receiver gets its keys and settings right: section 2 allows to push again.
// With the others it should not be done.
var (
	passing = []string{"invalid_key", "authentication_failed", "access_denied"}
	final   = []string{"invalid_request", "invalid_issuer", "invalid_audience"}
)

const (
	maxRefusal = 64 << 10 // bytes of an answer that says why
	maxDrained = 4 << 10  // bytes of one that is read for the connection's sake
)

// client pushes.
type client struct{ public, private *http.Client }

func newClient() *client {
	return &client{public: egress.Client(false), private: egress.Client(true)}
}

func (c *client) close() {
	c.public.CloseIdleConnections()
	c.private.CloseIdleConnections()
}

// push delivers a token (RFC 8935 section 2). The error is a *failure, or that
// of ctx, if it was canceled.
func (c *client) push(ctx context.Context, w *projections.Webhook, authorization, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, strings.NewReader(token))
	if err != nil {
		return errUnreachable
	}
	req.Header.Set("Content-Type", "application/"+setType)
	req.Header.Set("Accept", "application/json")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	through := c.public
	if w.Private {
		through = c.private
	}
	resp, err := through.Do(req)
	if err != nil {
		return unanswered(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusBadRequest {
		return refusal(resp)
	}
	if 0 < resp.ContentLength && resp.ContentLength <= maxDrained {
		io.Copy(io.Discard, resp.Body) // so that the connection is used again
	}
	switch code := resp.StatusCode; {
	case code == http.StatusAccepted:
		return nil
	case code >= 500:
		return errBroken
	case code >= 300 && code < 400:
		return errRedirect
	}
	return errUnexpected
}

func unanswered(ctx context.Context, err error) error {
	var slow net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, egress.ErrAddress):
		return errAddress
	case errors.As(err, &slow) && slow.Timeout():
		return errSlow
	}
	return errUnreachable
}

// refusal reads why a receiver refused (RFC 8935 section 2.3).
func refusal(resp *http.Response) *failure {
	var why struct {
		Code string `json:"err"`
	}
	text, err := egress.ReadAll(resp.Body, maxRefusal)
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || json.Unmarshal(text, &why) != nil {
		return errUnexplained
	}
	refused := slices.Contains(final, why.Code)
	if !refused && !slices.Contains(passing, why.Code) {
		return errUnexplained
	}
	return &failure{text: "The receiver refused: " + why.Code, refused: refused}
}
