package oauth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const form = "application/x-www-form-urlencoded"

func post(target, contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

func TestParseForm(t *testing.T) {
	big := "a=" + strings.Repeat("x", MaxBody)
	tests := []struct {
		name, target, contentType, body string
		want                            Params
		status                          int
	}{
		{name: "decoded", contentType: form, body: "a=1&b=x%20y+z", want: Params{"a": "1", "b": "x y z"}},
		{name: "charset parameter", contentType: form + "; charset=UTF-8", body: "a=1", want: Params{"a": "1"}},
		{name: "empty pairs", contentType: form, body: "&a=1&&", want: Params{"a": "1"}},
		{name: "empty body", contentType: form, body: "", want: Params{}},
		{name: "repeated", contentType: form, body: "a=1&a=1", status: 400},
		{name: "repeated under another spelling", contentType: form, body: "a=1&%61=2", status: 400},
		{name: "repeated empty", contentType: form, body: "a=&a=1", status: 400},
		{name: "JSON", contentType: "application/json", body: `{"a":1}`, status: 415},
		{name: "no type", contentType: "", body: "a=1", status: 415},
		{name: "multipart", contentType: "multipart/form-data; boundary=x", body: "a=1", status: 415},
		{name: "over 64 KiB", contentType: form, body: big, status: 413},
		{name: "NUL", contentType: form, body: "a=%00", status: 400},
		{name: "invalid UTF-8", contentType: form, body: "a=%ff", status: 400},
		{name: "broken escape", contentType: form, body: "a=%zz", status: 400},
		{name: "too many", contentType: form, body: strings.Repeat("&", maxParams), status: 400},
		{name: "secret in the URL", target: "/?client_secret=x", contentType: form, body: "a=1", status: 400},
		{name: "other query", target: "/?partnerId=10000", contentType: form, body: "a=1", want: Params{"a": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.target == "" {
				tt.target = "/"
			}
			got, err := ParseForm(post(tt.target, tt.contentType, tt.body))
			if tt.status != 0 {
				if status := classify(err, nil).Status; status != tt.status {
					t.Fatalf("status %d (%v), want %d", status, err, tt.status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseClient(t *testing.T) {
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	header := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["Authorization"] = values }
	}
	none := func(*http.Request) {}
	tests := []struct {
		name   string
		auth   func(*http.Request)
		body   Params
		want   Credentials
		status int
	}{
		{name: "basic", auth: basic("app", "s"), want: Credentials{MethodBasic, "app", "s"}},
		{name: "basic, both halves form-decoded", auth: basic("a%3Ab", "x%2By+z"), want: Credentials{MethodBasic, "a:b", "x+y z"}},
		{name: "basic and the same client_id", auth: basic("app", "s"), body: Params{"client_id": "app"}, want: Credentials{MethodBasic, "app", "s"}},
		{name: "post", auth: none, body: Params{"client_id": "app", "client_secret": "s"}, want: Credentials{MethodPost, "app", "s"}},
		{name: "none", auth: none, body: Params{"client_id": "app"}, want: Credentials{MethodNone, "app", ""}},
		{name: "two methods", auth: basic("app", "s"), body: Params{"client_secret": "s"}, status: 400},
		{name: "two headers", auth: header("Basic YTpi", "Basic YTpi"), status: 400},
		{name: "another client_id", auth: basic("app", "s"), body: Params{"client_id": "b"}, status: 400},
		{name: "nothing", auth: none, status: 401},
		{name: "bearer", auth: header("Bearer x"), status: 401},
		{name: "no colon", auth: header("Basic YWJj"), status: 401},
		{name: "not base64", auth: header("Basic !!"), status: 401},
		{name: "NUL", auth: basic("a%00", "s"), status: 401},
		{name: "empty secret", auth: basic("a", ""), status: 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := post("/", form, "")
			tt.auth(r)
			got, err := ParseClient(r, tt.body)
			if tt.status != 0 {
				if status := classify(err, nil).Status; status != tt.status {
					t.Fatalf("status %d (%v), want %d", status, err, tt.status)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

// FuzzParseForm holds the parser to net/url: what it accepts, url.ParseQuery
// reads the same way, with every name once.
func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{"a=1", "a=1&a=2", "a=%zz", "a;b=1", "%61=1&a=", "=x", "a=%00", "a=+%2B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := ParseForm(post("/", form, body))
		if err != nil {
			if status := classify(err, nil).Status; status < 400 || status > 499 {
				t.Fatalf("status %d", status)
			}
			return
		}
		want, err := url.ParseQuery(body)
		if err != nil {
			return // a semicolon: net/url refuses it, a form may hold it
		}
		if len(want) != len(got) {
			t.Fatalf("%d parameters, net/url reads %d", len(got), len(want))
		}
		for name, values := range want {
			if len(values) != 1 || values[0] != got[name] {
				t.Fatalf("%q is %q, net/url reads %q", name, got[name], values)
			}
		}
	})
}

func FuzzBasic(f *testing.F) {
	f.Add("Basic YTpi")
	f.Add("Basic  YSUzQWI6Yw==")
	f.Add("basic YTo=")
	f.Fuzz(func(t *testing.T, header string) {
		c, ok := parseBasic(header)
		if ok && (c.ID == "" || c.Secret == "" || !clean(c.ID) || !clean(c.Secret)) {
			t.Fatalf("accepted %+v", c)
		}
	})
}
