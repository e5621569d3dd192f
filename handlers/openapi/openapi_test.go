package openapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocumentIsValid(t *testing.T) {
	doc := load(t)
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("the document is of OpenAPI %s", doc.OpenAPI)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
}

// Every operation must say who may call it, and what it answers while the log
// cannot be asked; what only reads constants has neither.
func TestEveryOperationIsComplete(t *testing.T) {
	constant := []string{"/healthz", "/openapi.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"}
	seen := map[string]string{}
	for path, item := range load(t).Paths.Map() {
		for method, operation := range item.Operations() {
			name := method + " " + path
			if other, twice := seen[operation.OperationID]; twice {
				t.Errorf("%s and %s are both called %s", name, other, operation.OperationID)
			}
			seen[operation.OperationID] = name
			if operation.Responses.Status(http.StatusServiceUnavailable) == nil && !slices.Contains(constant, path) {
				t.Errorf("%s does not say what it answers when the log is gone", name)
			}
			if operation.Responses.Default() != nil {
				t.Errorf("%s has a default response: every status must be named", name)
			}
			hasBody := operation.RequestBody != nil
			if hasBody != (operation.Responses.Status(http.StatusRequestEntityTooLarge) != nil) {
				t.Errorf("%s: 413 and a body belong together", name)
			}
			for _, parameter := range item.Parameters {
				t.Errorf("%s: parameter %s is not the operation's own", name, parameter.Value.Name)
			}
			for name := range pathNames(path) {
				if operation.Parameters.GetByInAndName("path", name) == nil {
					t.Errorf("%s does not describe {%s}", path, name)
				}
			}
		}
	}
}

var pathName = regexp.MustCompile(`\{([^}]+)\}`)

func pathNames(path string) map[string]bool {
	names := map[string]bool{}
	for _, name := range pathName.FindAllStringSubmatch(path, -1) {
		names[name[1]] = true
	}
	return names
}

func TestServe(t *testing.T) {
	e := echo.New()
	Endpoint{}.Mount(e.Group(""))
	get := func(ifNoneMatch string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/openapi.json", nil)
		r.Header.Set("If-None-Match", ifNoneMatch)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w
	}

	whole := get("")
	if whole.Code != http.StatusOK || whole.Body.String() != string(document) {
		t.Errorf("status %d and %d bytes, want the document", whole.Code, whole.Body.Len())
	}
	if ct := whole.Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
	if again := get(whole.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("status %d and %d bytes for what the caller has", again.Code, again.Body.Len())
	}
	if other := get(`"another"`); other.Code != http.StatusOK {
		t.Errorf("status %d for another version", other.Code)
	}
}
