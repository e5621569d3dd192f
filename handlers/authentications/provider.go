package authentications

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grantlog/grantlog/handlers/egress"
	"github.com/grantlog/grantlog/projections"
)

var (
	// errRefused: the provider answered, and said no.
	errRefused = errors.New("the provider refused")
	// errFailed: the provider did not answer, or not in a way that means
	// anything.
	errFailed = errors.New("the provider failed")
)

const (
	maxAnswer       = 64 << 10 // bytes
	defaultLifetime = time.Hour
	maxLifetime     = 10 * 365 * 24 * time.Hour
)

// tokens are what a provider gave.
type tokens struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	expiresAt int64  // Unix seconds
}

// client speaks with providers.
type client struct {
	public, private *http.Client
	now             func() time.Time
}

func newClient(now func() time.Time) *client {
	return &client{public: egress.Client(false), private: egress.Client(true), now: now}
}

// close lets idle connections go.
func (c *client) close() {
	c.public.CloseIdleConnections()
	c.private.CloseIdleConnections()
}

// login gets tokens for a username and password (RFC 6749 section 4.3), which
// are sent to the provider and kept nowhere. key names the login, as in refresh;
// empty: it has no name.
func (c *client) login(ctx context.Context, p *projections.Provider, secret, username, password, key string) (tokens, error) {
	return c.tokens(ctx, p, secret, key, url.Values{"grant_type": {"password"}, "username": {username}, "password": {password}})
}

// refresh gets new tokens (RFC 6749 section 6). A provider that gives no new
// refresh token leaves the old one in force. key names the refresh, however
// often it is asked for (draft-ietf-httpapi-idempotency-key-header).
func (c *client) refresh(ctx context.Context, p *projections.Provider, secret string, old tokens, key string) (tokens, error) {
	if old.Refresh == "" {
		return tokens{}, fmt.Errorf("%w: it gave no refresh token", errRefused)
	}
	t, err := c.tokens(ctx, p, secret, key, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.Refresh}})
	if err == nil && t.Refresh == "" {
		t.Refresh = old.Refresh
	}
	return t, err
}

func (c *client) tokens(ctx context.Context, p *projections.Provider, secret, key string, form url.Values) (tokens, error) {
	if p.Scope != "" {
		form.Set("scope", p.Scope)
	}
	body, err := c.post(ctx, p, p.TokenURL, secret, key, form)
	if err != nil {
		return tokens{}, err
	}
	var answer struct {
		tokens
		Type      string      `json:"token_type"`
		ExpiresIn json.Number `json:"expires_in"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Access == "" {
		return tokens{}, fmt.Errorf("%w: its answer holds no token", errFailed)
	}
	life := defaultLifetime
	if n, err := answer.ExpiresIn.Int64(); err == nil && n > 0 {
		life = min(time.Duration(min(n, int64(maxLifetime/time.Second)))*time.Second, maxLifetime)
	}
	answer.expiresAt = c.now().Add(life).Unix()
	return answer.tokens, nil
}

// revoke ends a token at the provider (RFC 7009), if it offers that.
func (c *client) revoke(ctx context.Context, p *projections.Provider, secret string, t tokens) error {
	if p.RevokeURL == "" {
		return nil
	}
	token, hint := t.Refresh, "refresh_token"
	if token == "" {
		token, hint = t.Access, "access_token"
	}
	_, err := c.post(ctx, p, p.RevokeURL, secret, "", url.Values{"token": {token}, "token_type_hint": {hint}})
	return err
}

// post sends a form with the client's credentials: HTTP Basic if it has a
// secret, its id in the body if not. key is its Idempotency-Key; empty: none.
func (c *client) post(ctx context.Context, p *projections.Provider, to, secret, key string, form url.Values) ([]byte, error) {
	if secret == "" && p.ClientID != "" {
		form.Set("client_id", p.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("%w: its URL is malformed", errFailed)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", `"`+key+`"`) // a string of RFC 9651
	}
	if secret != "" {
		req.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(secret))
	}
	through := c.public
	if p.Private {
		through = c.private
	}
	resp, err := through.Do(req)
	if err != nil {
		// The error of net/http names the URL, which is configuration, and
		// nothing of the form.
		return nil, fmt.Errorf("%w: %w", errFailed, err)
	}
	defer resp.Body.Close()
	body, err := egress.ReadAll(resp.Body, maxAnswer)
	switch code := resp.StatusCode; {
	case code == 400 || code == 401 || code == 403:
		return nil, fmt.Errorf("%w with status %d", errRefused, code)
	case code != 200:
		return nil, fmt.Errorf("%w with status %d", errFailed, code)
	case err != nil:
		return nil, fmt.Errorf("%w: its answer could not be read: %w", errFailed, err)
	}
	return body, nil
}
