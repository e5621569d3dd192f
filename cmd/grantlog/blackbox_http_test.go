package main_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answer is a whole response.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// option changes a request before it is sent.
type option func(*http.Request)

func header(name, value string) option { return func(r *http.Request) { r.Header.Add(name, value) } }
func bearer(token string) option       { return header("Authorization", "Bearer "+token) }

// basic authenticates as RFC 6749 section 2.3.1 says: both halves form-encoded.
func basic(a application) option {
	return rawBasic(url.QueryEscape(a.ClientID) + ":" + url.QueryEscape(a.ClientSecret))
}

func rawBasic(pair string) option {
	return header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
}

// do sends a request and checks the answer against the description.
func (s *server) do(method, path, contentType, body string, opts ...option) answer {
	s.t.Helper()
	r, err := http.NewRequest(method, s.issuer()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for _, o := range opts {
		o(r)
	}
	return s.send(r)
}

func (s *server) client() *http.Client {
	var way http.RoundTripper = contract{s.t, s.base}
	if s.program != "" {
		way = s.base // another version has a description of its own
	}
	return &http.Client{
		Transport: way, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *server) send(r *http.Request) answer {
	s.t.Helper()
	resp, err := s.client().Do(r)
	if err != nil {
		s.t.Fatalf("%s %.200s: %v\n%s", r.Method, r.URL.Path, err, s.out.tail())
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{s.t, r.Method + " " + r.URL.Path, resp.StatusCode, resp.Header, body}
}

const formType = "application/x-www-form-urlencoded"

func (s *server) get(path string, opts ...option) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, "", "", opts...)
}

// form posts name and value pairs, in their order.
func (s *server) form(path string, pairs []string, opts ...option) answer {
	s.t.Helper()
	var body []string
	for i := 0; i < len(pairs); i += 2 {
		body = append(body, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return s.do(http.MethodPost, path, formType, strings.Join(body, "&"), opts...)
}

func (s *server) json(method, path string, body any, opts ...option) answer {
	s.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(method, path, "application/json", string(encoded), opts...)
}

// want ends the test unless the answer has the status.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%.200s: %d, want %d\n%.2000s", a.what, a.status, status, a.body)
	}
	return a
}

func (a answer) ok() answer { a.t.Helper(); return a.want(http.StatusOK) }

// exactly ends the test unless the answer has the status and the body.
func (a answer) exactly(status int, body string) answer {
	a.t.Helper()
	a.want(status)
	if got := strings.TrimSpace(string(a.body)); got != body {
		a.t.Errorf("%.200s:\n got %.2000s\nwant %s", a.what, got, body)
	}
	return a
}

// has checks one header.
func (a answer) has(name, value string) answer {
	a.t.Helper()
	if got := a.header.Get(name); got != value {
		a.t.Errorf("%.200s: %s is %q, want %q", a.what, name, got, value)
	}
	return a
}

// as decodes the body.
func as[T any](a answer) T {
	a.t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%.200s: %v\n%.2000s", a.what, err, a.body)
	}
	return v
}

// admin returns a fresh token of the administrator, by way of admin.json.
func (s *server) admin() string {
	s.t.Helper()
	return s.token(s.administrator())
}

func (s *server) administrator() application {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.data, "admin.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	var a application
	if err := json.Unmarshal(b, &a); err != nil {
		s.t.Fatal(err)
	}
	return a
}
