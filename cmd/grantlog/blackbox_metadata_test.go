package main_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func (s *server) advertisedIssuer() string {
	s.t.Helper()
	issuer, _ := as[map[string]any](s.get("/.well-known/oauth-authorization-server").ok())["issuer"].(string)
	return issuer
}

var metadataPaths = []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"}

// Section 2, RFC 8414: what is advertised is mounted, and what is said of it
// holds.
func TestMetadata(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	for _, path := range metadataPaths {
		document := as[map[string]any](s.get(path).ok())
		if document["issuer"] != s.issuer() {
			t.Errorf("%s: issuer %v", path, document["issuer"])
		}
		endpoints := 0
		for name, value := range document {
			url, ok := value.(string)
			if !ok || name == "issuer" {
				continue
			}
			at, own := strings.CutPrefix(url, s.issuer())
			if !own {
				t.Errorf("%s: %s is %s", path, name, url)
				continue
			}
			endpoints++
			method := http.MethodPost
			if name == "jwks_uri" || name == "userinfo_endpoint" {
				method = http.MethodGet
			}
			if a := s.do(method, at, formType, ""); a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
				t.Errorf("%s: %s answers %d", path, name, a.status)
			}
		}
		if endpoints < 4 {
			t.Errorf("%s: %d endpoints", path, endpoints)
		}
		for _, grant := range list(document["grant_types_supported"]) {
			a := s.form("/oauth/token", []string{"grant_type", grant}, basic(app))
			if strings.Contains(string(a.body), "unsupported_grant_type") {
				t.Errorf("%s advertises %s", path, grant)
			}
		}
		if scopes := list(document["scopes_supported"]); !slices.Contains(scopes, "openid") || !slices.Contains(scopes, "applications:read") {
			t.Errorf("%s: scopes %v", path, scopes)
		}
		if !slices.Contains(list(document["token_endpoint_auth_methods_supported"]), "client_secret_basic") ||
			!slices.Contains(list(document["token_endpoint_auth_methods_supported"]), "client_secret_post") {
			t.Errorf("%s: methods %v", path, document["token_endpoint_auth_methods_supported"])
		}
		if len(list(document["response_types_supported"])) != 0 {
			t.Errorf("%s: response types %v", path, document["response_types_supported"])
		}
		etag := s.get(path).ok().header.Get("ETag")
		s.get(path, header("If-None-Match", etag)).want(http.StatusNotModified)
	}
}

func list(v any) (texts []string) {
	values, _ := v.([]any)
	for _, value := range values {
		text, _ := value.(string)
		texts = append(texts, text)
	}
	return texts
}

// SECURITY.md: no header of the caller changes what the server says of itself.
func TestHostAndForwardedHeadersHaveNoEffect(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	spoof := []option{
		func(r *http.Request) { r.Host = "evil.example" },
		header("X-Forwarded-Host", "evil.example"), header("X-Forwarded-Proto", "https"), header("X-Forwarded-For", "192.0.2.1"),
		header("X-Forwarded-Prefix", "/evil"), header("X-Forwarded-Port", "1"), header("Forwarded", "host=evil.example;proto=https;for=192.0.2.1"),
		header("X-Original-URL", "/healthz"), header("X-Rewrite-URL", "/healthz"), header("X-HTTP-Method-Override", "DELETE"),
		header("X-Request-Id", "evil.example"),
	}
	s.position() // the key set is complete from here on
	for _, path := range append(metadataPaths, "/oauth/jwks", "/openapi.json") {
		plain := s.get(path).ok()
		s.get(path, spoof...).exactly(http.StatusOK, strings.TrimSpace(string(plain.body)))
	}
	token := as[tokenResponse](s.form("/oauth/token", []string{"grant_type", "client_credentials"}, append(spoof, basic(app))...).ok()).AccessToken
	if got := s.introspect(app, token); got.Issuer != s.issuer() || got.Audience != s.issuer() {
		t.Errorf("%+v", got)
	}
	made := s.json(http.MethodPost, "/oauth/applications", settings{"name": "x", "scopes": []string{}}, append(spoof, bearer(s.admin()))...).want(http.StatusCreated)
	for name, values := range made.header {
		if strings.Contains(strings.Join(values, ","), "evil.example") { // random ids have no dot
			t.Errorf("%s: %v", name, values)
		}
	}
	if strings.Contains(string(made.body), "evil.example") {
		t.Errorf("%s", made.body)
	}
}

// Section 1: the issuer is what the setting says, in tokens and metadata.
func TestConfiguredIssuer(t *testing.T) {
	t.Parallel()
	s := start(t, "--issuer", "https://auth.example/tenant")
	if got := s.advertisedIssuer(); got != "https://auth.example/tenant" {
		t.Errorf("issuer %s", got)
	}
	document := as[map[string]any](s.get("/.well-known/openid-configuration").ok())
	if document["token_endpoint"] != "https://auth.example/tenant/oauth/token" {
		t.Errorf("token_endpoint %v", document["token_endpoint"])
	}
	app := s.create(s.admin())
	if got := s.introspect(app, s.token(app)); got.Issuer != "https://auth.example/tenant" || got.Audience != got.Issuer {
		t.Errorf("%+v", got)
	}
	// RFC 8414 section 3.1 puts the well-known part before the issuer's path.
	if status, err := s.probe("/.well-known/oauth-authorization-server/tenant"); err != nil || status != http.StatusOK {
		t.Errorf("%d, %v", status, err)
	}
}
