package metadata

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/sign"
	"github.com/grantlog/grantlog/projections"
)

// keyring is a real Signer over a state that the test grows.
type keyring struct {
	*sign.Signer
	vault *sign.Vault
	state *projections.State
}

func newKeyring(t *testing.T) *keyring {
	t.Helper()
	k := &keyring{vault: sign.NewVault(seal.NewMaster()), state: projections.New()}
	k.Signer = sign.New(sign.Config{View: func(read func(*projections.State)) { read(k.state) }, Unsealer: k.vault})
	data, err := k.vault.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	k.apply(t, data)
	if err := k.vault.Open(k.state.Keys.Sealing()); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *keyring) apply(t *testing.T, d events.Data) {
	t.Helper()
	k.state.Position++
	e := &events.Event{Type: d.EventType(), Version: 1, Time: time.Unix(1795345200, 0).UTC(), Data: d}
	if err := k.state.Apply(projections.Record{Position: k.state.Position}, 0, e); err != nil {
		t.Fatal(err)
	}
}

func (k *keyring) publish(t *testing.T) {
	t.Helper()
	made, err := k.vault.NewKey("EdDSA")
	if err != nil {
		t.Fatal(err)
	}
	k.apply(t, made)
}

func sample(issuer string, k *keyring) Config {
	clients := []string{oauth.MethodBasic, oauth.MethodPost}
	return Config{
		Issuer: issuer, Keys: k,
		Token:         Mounted{"/oauth/token", clients},
		Introspection: Mounted{"/oauth/introspect", append(clients, "Bearer")},
		Revocation:    Mounted{"/oauth/revoke", clients},
		GrantTypes:    []string{"client_credentials"},
		Scopes:        []string{"grantlog:admin"},
		Algorithms:    []string{"ES256", "EdDSA"},
		Cache:         5 * time.Minute,
	}
}

func serve(t *testing.T, cfg Config) *echo.Echo {
	t.Helper()
	endpoint, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.HTTPErrorHandler = oauth.ErrorHandler(slog.New(slog.DiscardHandler))
	endpoint.Mount(e.Group(""))
	return e
}

func get(e *echo.Echo, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "evil.example"
	for _, h := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded"} {
		r.Header.Set(h, "host=evil.example;proto=https")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

const serverDocument = `{
	"issuer": "ISSUER",
	"token_endpoint": "ISSUER/oauth/token",
	"jwks_uri": "ISSUER/oauth/jwks",
	"introspection_endpoint": "ISSUER/oauth/introspect",
	"revocation_endpoint": "ISSUER/oauth/revoke",
	"grant_types_supported": ["client_credentials"],
	"response_types_supported": [],
	"scopes_supported": ["grantlog:admin"],
	"token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
	"introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "Bearer"],
	"revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"]
}`

const providerMembers = `,
	"subject_types_supported": ["public"],
	"id_token_signing_alg_values_supported": ["ES256", "EdDSA"]
}`

var providerDocument = strings.TrimSuffix(serverDocument, "\n}") + providerMembers

func compact(t *testing.T, document, issuer string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(strings.ReplaceAll(document, "ISSUER", issuer))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDocuments(t *testing.T) {
	for issuer, documents := range map[string]map[string]string{
		"http://127.0.0.1:8080": {
			"/.well-known/oauth-authorization-server": serverDocument,
			"/.well-known/openid-configuration":       providerDocument,
		},
		"https://id.example/tenants/a": {
			"/.well-known/oauth-authorization-server":           serverDocument,
			"/.well-known/oauth-authorization-server/tenants/a": serverDocument, // RFC 8414 section 3.1
			"/.well-known/openid-configuration":                 providerDocument,
			"/.well-known/openid-configuration/tenants/a":       providerDocument, // RFC 8414 section 5
			"/tenants/a/.well-known/openid-configuration":       providerDocument, // Discovery 1.0 section 4
		},
	} {
		e := serve(t, sample(issuer, newKeyring(t)))
		for path, document := range documents {
			w := get(e, path)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" ||
				w.Header().Get("Cache-Control") != "public, max-age=300" {
				t.Errorf("%s: %d, headers %v", path, w.Code, w.Header())
			}
			if diff := cmp.Diff(compact(t, document, issuer), strings.TrimSpace(w.Body.String())); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
			if again := get(e, path, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
				t.Errorf("%s again: %d %s", path, again.Code, again.Body)
			}
		}
		if w := get(e, "/.well-known/oauth-authorization-server/other"); w.Code != http.StatusNotFound {
			t.Errorf("another issuer's document: %d %s", w.Code, w.Body)
		}
	}
}

// Only what is mounted is listed.
func TestNothingMounted(t *testing.T) {
	e := serve(t, Config{Issuer: "https://id.example/", Keys: newKeyring(t)})
	for path, want := range map[string]string{
		"/.well-known/oauth-authorization-server": `{"issuer":"https://id.example/","jwks_uri":"https://id.example/oauth/jwks",` +
			`"response_types_supported":[]}`,
		"/.well-known/openid-configuration": `{"issuer":"https://id.example/","jwks_uri":"https://id.example/oauth/jwks",` +
			`"response_types_supported":[],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":[]}`,
	} {
		if diff := cmp.Diff(want, strings.TrimSpace(get(e, path).Body.String())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	cfg := sample("https://id.example", newKeyring(t))
	cfg.UserInfo = Mounted{Path: "/oauth/userinfo"}
	if body := get(serve(t, cfg), providerPath).Body.String(); !strings.Contains(body, `"userinfo_endpoint":"https://id.example/oauth/userinfo"`) {
		t.Errorf("a mounted userinfo is not listed: %s", body)
	}
}

func TestIssuerRefused(t *testing.T) {
	for _, issuer := range []string{
		"", "id.example", "//id.example", "/oauth", "ftp://id.example", "https://", "https://user@id.example",
		"https://id.example?x", "https://id.example/#x", "https://id.example/?", "https://id.example/:id",
		"https://id.example/*", "https://id.example/%2f", "https://id.example/\x00", "https://id.example:x",
	} {
		if _, err := New(Config{Issuer: issuer}); err == nil {
			t.Errorf("accepted %q", issuer)
		}
	}
}

func TestJWKS(t *testing.T) {
	k := newKeyring(t)
	e := serve(t, sample("https://id.example", k))
	if w := get(e, jwksPath); w.Code != http.StatusServiceUnavailable || w.Header().Get("Cache-Control") != "no-store" ||
		w.Header().Get("Retry-After") == "" {
		t.Errorf("without keys: %d, headers %v, %s", w.Code, w.Header(), w.Body)
	}

	k.publish(t)
	first := get(e, jwksPath)
	if first.Code != http.StatusOK || first.Header().Get("Cache-Control") != "public, max-age=300" ||
		first.Body.String() != string(k.JWKS()) {
		t.Fatalf("%d, headers %v, %s", first.Code, first.Header(), first.Body)
	}
	tag := first.Header().Get("ETag")
	for _, condition := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		w := get(e, jwksPath, "If-None-Match", condition)
		if w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d %s", condition, w.Code, w.Body)
		}
	}
	if w := get(e, jwksPath, "If-None-Match", `"x"`, "If-None-Match", tag); w.Code != http.StatusNotModified {
		t.Errorf("condition on two lines: %d", w.Code)
	}

	k.publish(t) // another key set
	if w := get(e, jwksPath, "If-None-Match", tag); w.Code != http.StatusOK || w.Header().Get("ETag") == tag {
		t.Errorf("after a new key: %d, ETag %s", w.Code, w.Header().Get("ETag"))
	}
}
