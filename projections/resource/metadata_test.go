package resource

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// RFC 9728: the challenge leads to the metadata, wherever the resource is.
func TestMetadata(t *testing.T) {
	for resource, url := range map[string]string{
		"https://api.example":          "https://api.example/.well-known/oauth-protected-resource",
		"https://api.example/":         "https://api.example/.well-known/oauth-protected-resource",
		"https://api.example:8443/a/b": "https://api.example:8443/.well-known/oauth-protected-resource/a/b",
	} {
		v, err := New("http://127.0.0.1:1/", WithClient("c", "s"), WithResource(resource, "An API"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		w := httptest.NewRecorder()
		v.Metadata("read", "write").ServeHTTP(w, httptest.NewRequest(http.MethodGet, v.MetadataURL(), nil))
		want := `{"resource":"` + resource + `","authorization_servers":["http://127.0.0.1:1"],"bearer_methods_supported":["header"],"scopes_supported":["read","write"],"resource_name":"An API"}`
		if got := strings.TrimSpace(w.Body.String()); got != want || w.Header().Get("Content-Type") != "application/json" || v.MetadataURL() != url {
			t.Errorf("%s: %s at %s", resource, got, v.MetadataURL())
		}
		for authorization, challenge := range map[string]string{
			"":           `Bearer resource_metadata="` + url + `"`,
			"Bearer x":   `Bearer error="invalid_token", error_description="Invalid token", resource_metadata="` + url + `"`,
			"Basic eA==": `Bearer error="invalid_request", error_description="malformed", resource_metadata="` + url + `"`,
		} {
			r := httptest.NewRequest(http.MethodGet, resource, nil)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			w := httptest.NewRecorder()
			v.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
			if got := w.Header().Get("WWW-Authenticate"); got != challenge {
				t.Errorf("%q: %s, want %s", authorization, got, challenge)
			}
		}
	}
}
