package forwardauth

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCallOf(t *testing.T) {
	for _, c := range []struct {
		name         string
		method, path string // of the request
		header       http.Header
		want         string // "METHOD path", or empty for a refusal
	}{
		{"Traefik and Caddy", "GET", Path, http.Header{"X-Forwarded-Method": {"POST"}, "X-Forwarded-Uri": {"/api?x=/y"}}, "POST /api"},
		{"nginx", "GET", Path, http.Header{"X-Original-Method": {"PUT"}, "X-Original-Uri": {"/api/%20x?y"}}, "PUT /api/%20x"},
		{"ingress-nginx", "GET", Path, http.Header{"X-Original-Method": {"GET"}, "X-Original-Url": {"https://api.example:8443/a//b?c"}}, "GET /a//b"},
		{"a URL without a path", "GET", Path, http.Header{"X-Original-Method": {"GET"}, "X-Original-Url": {"http://api.example?c"}}, "GET /"},
		{"Envoy", "DELETE", Path + "/api/%2e%2e/x?y=z", nil, "DELETE /api/%2e%2e/x"},
		{"all that agree", "GET", Path + "/api", http.Header{
			"X-Forwarded-Method": {"GET"}, "X-Original-Method": {"GET"}, "X-Forwarded-Uri": {"/api?x"}, "X-Original-Uri": {"/api"}, "X-Original-Url": {"http://h/api"},
		}, "GET /api"},
		{"nothing", "GET", Path, nil, ""},
		{"no method", "GET", Path, http.Header{"X-Forwarded-Uri": {"/api"}}, ""},
		{"no path", "GET", Path, http.Header{"X-Forwarded-Method": {"GET"}}, ""},
		{"an empty path", "GET", Path, http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {""}}, ""},
		{"an empty method", "GET", Path, http.Header{"X-Forwarded-Method": {""}, "X-Forwarded-Uri": {"/api"}}, ""},
		{"a query alone", "GET", Path, http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"?x"}}, ""},
		{"methods that differ", "GET", Path, http.Header{"X-Forwarded-Method": {"GET"}, "X-Original-Method": {"DELETE"}, "X-Original-Uri": {"/api"}}, ""},
		{"paths that differ", "GET", Path, http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/api"}, "X-Original-Uri": {"/admin"}}, ""},
		{"a repeated path", "GET", Path, http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/api", "/api"}}, ""},
		{"a repeated method", "GET", Path, http.Header{"X-Forwarded-Method": {"GET", "GET"}, "X-Forwarded-Uri": {"/api"}}, ""},
		{"Envoy and another path", "GET", Path + "/api", http.Header{"X-Forwarded-Uri": {"/admin"}}, ""},
		{"Envoy and another method", "GET", Path + "/api", http.Header{"X-Original-Method": {"PUT"}}, ""},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		for name, values := range c.header {
			r.Header[name] = values
		}
		call, err := callOf(r)
		got := call.Method + " " + call.Path
		if err != nil {
			got = ""
		}
		if got != c.want {
			t.Errorf("%s: %q (%v), want %q", c.name, got, err, c.want)
		}
	}
}
