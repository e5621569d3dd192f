package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// serve runs a server on the scenario until the returned function is called.
func (s *scenario) serve() (stop func()) {
	s.t.Helper()
	// The address of a former server, which may be this one's again.
	if err := os.Truncate(filepath.Join(s.data, "lock"), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p, _, stderr := world(nil)
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--data", s.data, "--listen", "127.0.0.1:0", "--log-level", "error"}, p)
	}()
	deadline, tick := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if s.url() != "" {
			break
		}
		select {
		case code := <-ended:
			s.t.Fatalf("the server ended with %d: %s", code, stderr)
		case <-deadline:
			s.t.Fatalf("the server is not ready: %s", stderr)
		case <-tick.C:
		}
	}
	return func() {
		s.t.Helper()
		cancel()
		if code := <-ended; code != exitOK {
			s.t.Errorf("the server ended with %d: %s", code, stderr)
		}
	}
}

// url is where the server of the data directory says that it is.
func (s *scenario) url() string {
	text, err := os.ReadFile(filepath.Join(s.data, "lock"))
	var h holder
	if err != nil || json.Unmarshal(text, &h) != nil {
		return ""
	}
	return h.URL
}

// request asks the server as its administrator.
func (s *scenario) request(method, path string, form url.Values, authorize func(*http.Request)) (status int, header http.Header, body string) {
	s.t.Helper()
	var content io.Reader
	if form != nil {
		content = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url()+path, content)
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	authorize(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, strings.TrimSpace(string(text))
}

func asAdmin(r *http.Request) { r.SetBasicAuth("app_admin", url.QueryEscape(adminSecret)) }

// bearer logs the administrator in.
func (s *scenario) bearer() func(*http.Request) {
	s.t.Helper()
	status, _, body := s.request(http.MethodPost, "/oauth/token", url.Values{"grant_type": {"client_credentials"}}, asAdmin)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		s.t.Fatalf("%d %s", status, body)
	}
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+answer.Token) }
}
