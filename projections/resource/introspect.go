package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

const requestTimeout = 10 * time.Second

// introspector asks the issuer.
type introspector struct{ cfg config }

func newIntrospector(cfg config) *introspector { return &introspector{cfg} }

// token asks whether a token counts, at a mark or later: the issuer's answer is
// never older than what this server has heard already.
func (i *introspector) token(ctx context.Context, token string, heard events.Mark) error {
	var answer struct {
		Active bool `json:"active"`
	}
	header := http.Header{"Consistency-Token": {heard.ConsistencyToken()}}
	err := i.cfg.post(ctx, "/oauth/introspect", url.Values{"token": {token}}, header, &answer)
	switch {
	case err != nil:
		i.cfg.log.Warn("introspection failed", "error", err)
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !answer.Active:
		return ErrRevoked
	}
	return nil
}

// post sends a form with the client's credentials and reads JSON.
func (c *config) post(ctx context.Context, path string, form url.Values, header http.Header, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(c.clientID), url.QueryEscape(c.clientSecret))
	return c.fetch(req, into)
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

func (c *config) fetch(req *http.Request, into any) error {
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", req.URL.Path, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into)
}

// login gets a token for the feed.
func (c *config) login(ctx context.Context) (string, error) {
	var answer struct {
		Token string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"revocations:read"}}
	err := c.post(ctx, "/oauth/token", form, nil, &answer)
	return answer.Token, err
}
