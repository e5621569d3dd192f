package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

const (
	formType = "application/x-www-form-urlencoded"
	scope    = "read:customers"
)

// server is a grantlog server that this run started on an empty directory.
type server struct {
	*process
	dir   string
	admin credentials
}

// credentials of a client; the names are those of admin.json and of the answer
// that creates an application.
type credentials struct {
	ID     string `json:"clientId"`
	Secret string `json:"clientSecret"`
}

// basic is the value of the Authorization header (RFC 6749 section 2.3.1).
func (c credentials) basic() string {
	pair := url.QueryEscape(c.ID) + ":" + url.QueryEscape(c.Secret)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// form is the header of a form POST by the client.
func (c credentials) form() http.Header {
	return http.Header{"Content-Type": {formType}, "Authorization": {c.basic()}}
}

// serve starts a server and reads its administrator's credentials.
func (r *run) serve(ctx context.Context, more ...string) (*server, error) {
	dir, err := r.dataDir()
	if err != nil {
		return nil, err
	}
	p, err := r.start(ctx, "serve", append([]string{"--data", dir}, more...)...)
	if err != nil {
		return nil, err
	}
	s := &server{process: p, dir: dir}
	if s.admin, err = readAdmin(dir); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// stop ends the server and removes its data.
func (s *server) stop() {
	s.process.stop()
	os.RemoveAll(s.dir) // what remains goes with the run's directory
}

func readAdmin(dir string) (c credentials, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "admin.json"))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("admin.json: %w", err)
	}
	return c, nil
}

// application registers a client.
func (s *server) application(ctx context.Context, name string) (c credentials, err error) {
	token, err := s.token(ctx, s.admin)
	if err != nil {
		return c, err
	}
	body, err := json.Marshal(map[string]any{"name": name, "scopes": []string{scope}})
	if err != nil {
		return c, err
	}
	answer, err := request{
		method: http.MethodPost, path: "/oauth/applications", body: string(body),
		header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}},
	}.send(ctx, s.process)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(answer, &c)
}

const tokenForm = "grant_type=client_credentials"

// token asks for an access token.
func (p *process) token(ctx context.Context, c credentials) (string, error) {
	answer, err := request{method: http.MethodPost, path: "/oauth/token", header: c.form(), body: tokenForm}.send(ctx, p)
	if err != nil {
		return "", err
	}
	return accessToken(answer)
}

func accessToken(answer []byte) (string, error) {
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &body); err != nil {
		return "", err
	}
	if body.AccessToken == "" {
		return "", errAnswer
	}
	return body.AccessToken, nil
}

// mint asks for n tokens of a client as fast as the server gives them.
func (l *load) mint(ctx context.Context, s *server, c credentials, n int) ([]string, error) {
	tokens := make([]string, n)
	minting := *l
	minting.requests, minting.duration = n, mintTimeout
	p, err := minting.drive(ctx, s.process, call{
		path: "/oauth/token", header: c.form(), body: func(int) string { return tokenForm },
		accept: func(i int, answer []byte) (err error) {
			tokens[i], err = accessToken(answer)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	if len(p.latencies) < n {
		return nil, fmt.Errorf("minted %d of %d tokens in %v, %d requests failed: %v", len(p.latencies), n, p.elapsed, p.failed, p.errors)
	}
	return tokens, nil
}

// request is a single request outside a load.
type request struct {
	method, path string
	header       http.Header
	body         string
}

// send returns the answer's body; a status other than 2xx is an error.
func (q request) send(ctx context.Context, p *process) ([]byte, error) {
	_, body, err := q.over(ctx, single, p)
	return body, err
}

// over is send on connections of the caller's, and returns the header too.
func (q request) over(ctx context.Context, t *http.Transport, p *process) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, "http://"+p.address+q.path, strings.NewReader(q.body))
	if err != nil {
		return nil, nil, err
	}
	if q.header != nil {
		req.Header = q.header
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, nil, fmt.Errorf("%s %s: status %d: %.200s", q.method, q.path, resp.StatusCode, bytes.TrimSpace(body))
	}
	return resp.Header, body, nil
}

// single keeps no connections and goes through no proxy.
var single = &http.Transport{DisableKeepAlives: true}
