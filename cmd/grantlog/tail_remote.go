package main

import (
	"bufio"
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
	"time"

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

// follow prints a stream's events, one JSON object per line, from after a
// position until ctx ends. It resumes a stream that breaks off where it was.
func (r *remote) follow(ctx context.Context, path string, after uint64, w io.Writer) error {
	place := strconv.FormatUint(after, 10)
	for pause := time.Second; ; pause = min(2*pause, 10*time.Second) {
		err := r.login(ctx)
		if err == nil {
			var moved bool
			if moved, err = r.listen(ctx, path, &place, w); moved {
				pause = time.Second
			}
		}
		var refused *refusedError
		var gone *goneError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &gone) && gone.first > 1 && place == "0": // everything that there is
			place = strconv.FormatUint(uint64(gone.first)-1, 10)
			continue
		case errors.As(err, &gone):
			return &usageError{err}
		case errors.As(err, &refused):
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// listen reads one connection's events and keeps place up to date.
func (r *remote) listen(ctx context.Context, path string, place *string, w io.Writer) (moved bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Last-Event-ID", *place)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if err := refusal(resp); err != nil {
		return false, err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	id := ""
	for lines.Scan() {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "id":
			id = value
		case "data":
			if _, err := fmt.Fprintln(w, value); err != nil {
				return moved, &refusedError{err.Error()}
			}
			*place, moved = id, true
		}
	}
	return moved, lines.Err()
}
