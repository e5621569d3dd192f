package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// remote is a running server, asked with an administrator's credentials.
type remote struct {
	url         string
	credentials adminFile
	token       string
}

// adminFile is what a first start wrote; see bootstrap.Admin.
type adminFile struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

func openRemote(base, file string) (*remote, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, &usageError{fmt.Errorf("--url %q is not an http or https URL", base)}
	}
	if file == "" {
		return nil, &usageError{errors.New("--url needs --admin-file, the credentials to ask with")}
	}
	r := &remote{url: strings.TrimRight(base, "/")}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &usageError{err}
	}
	if err := json.Unmarshal(text, &r.credentials); err != nil || r.credentials.ClientID == "" {
		return nil, &usageError{fmt.Errorf("%s does not hold an administrator's credentials", file)}
	}
	return r, nil
}

// login gets a token.
func (r *remote) login(ctx context.Context) error {
	body := url.Values{"grant_type": {"client_credentials"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/oauth/token", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(r.credentials.ClientID), url.QueryEscape(r.credentials.ClientSecret))
	var answer struct {
		Token string `json:"access_token"`
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := refusal(resp); err != nil {
		return err
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	r.token = answer.Token
	return err
}

// ask sends a request with the token of login, and pairs of header names and
// values. Whoever calls must close the answer's body.
func (r *remote) ask(ctx context.Context, method, path string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return http.DefaultClient.Do(req)
}

// refusedError is an answer that asking again does not change.
type refusedError struct{ message string }

func (e *refusedError) Error() string { return "the server refuses: " + e.message }

// goneError is a refusal of what was archived.
type goneError struct {
	first   events.Position // that is not
	message string
}

func (e *goneError) Error() string { return e.message }

func refusal(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	var body struct {
		Message string `json:"message"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body); err != nil || body.Message == "" {
		body.Message = resp.Status
	}
	switch {
	case resp.StatusCode >= 500:
		return errors.New(body.Message)
	case resp.StatusCode == http.StatusGone:
		first, _ := strconv.ParseUint(resp.Header.Get(oauth.FirstHeader), 10, 63)
		return &goneError{events.Position(first), body.Message}
	}
	return &refusedError{body.Message}
}
