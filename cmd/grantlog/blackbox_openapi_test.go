package main_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// description is handlers/openapi/openapi.json, made ready for checking.
type description struct {
	doc    *openapi3.T
	router routers.Router
	known  sync.Map // answers that were found right
}

var described = sync.OnceValues(func() (*description, error) {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	file, err := os.ReadFile(filepath.Join("..", "..", "handlers", "openapi", "openapi.json"))
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(file)
	if err != nil {
		return nil, err
	}
	// Lines of JSON are a string to the description.
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
		text, err := io.ReadAll(body)
		return string(text), err
	})
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	return &description{doc: doc, router: router}, nil
})

// contract is a transport that fails the test on an answer that the
// description does not allow: an unknown route, an undocumented status, a
// missing header, a body of another form.
type contract struct {
	t    testing.TB
	base http.RoundTripper
}

type undescribedKey struct{}

// undescribed marks a request as outside the description on purpose: a path or
// method that must be answered with an error in one of the two forms.
func undescribed(r *http.Request) {
	*r = *r.WithContext(context.WithValue(r.Context(), undescribedKey{}, true))
}

func (c contract) RoundTrip(r *http.Request) (*http.Response, error) {
	d, err := described()
	if err != nil {
		return nil, err
	}
	resp, err := c.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.Header.Get("Content-Type") == streamType {
		if err := d.checkStream(r, resp); err != nil {
			c.t.Errorf("%s %.200s: the stream is not as openapi.json says: %v", r.Method, r.URL.Path, err)
		}
		return resp, nil
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	check := d.check
	if r.Context().Value(undescribedKey{}) != nil {
		check = d.checkUndescribed
	}
	if err := check(r, resp, body); err != nil {
		c.t.Errorf("%s %.200s: the answer %d is not as openapi.json says: %v\n%.2000s", r.Method, r.URL.Path, resp.StatusCode, err, body)
	}
	return resp, nil
}

func (d *description) check(r *http.Request, resp *http.Response, body []byte) error {
	route, params, err := d.router.FindRoute(r)
	if err != nil {
		return err
	}
	key := answerKey(route.Operation.OperationID, resp, body)
	if _, ok := d.known.Load(key); ok {
		return nil
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 resp.StatusCode, Header: resp.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	input.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		return err
	}
	described := route.Operation.Responses.Status(resp.StatusCode)
	if described != nil && len(described.Value.Content) == 0 && len(body) > 0 {
		return errors.New("a body where none is described")
	}
	d.known.Store(key, true)
	return nil
}

// streamType is the type of answers that have no end to wait for.
const streamType = "text/event-stream"

// checkStream checks what is known of a stream before its first event.
func (d *description) checkStream(r *http.Request, resp *http.Response) error {
	route, _, err := d.router.FindRoute(r)
	if err != nil {
		return err
	}
	described := route.Operation.Responses.Status(resp.StatusCode)
	if described == nil || described.Value.Content.Get(streamType) == nil {
		return fmt.Errorf("no %s is described for %d", streamType, resp.StatusCode)
	}
	return nil
}

func (d *description) checkUndescribed(r *http.Request, resp *http.Response, body []byte) error {
	if resp.StatusCode < 400 || resp.StatusCode >= 500 {
		return fmt.Errorf("want an error of the caller")
	}
	if r.Method == http.MethodHead {
		return nil
	}
	var value map[string]any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	schema := "Error"
	if _, ok := value["error"]; ok {
		schema = "ProtocolError"
	}
	return d.doc.Components.Schemas[schema].Value.VisitJSON(value, openapi3.EnableJSONSchema2020())
}

// answerKey recognizes an answer that needs no second look.
func answerKey(operation string, resp *http.Response, body []byte) [sha256.Size]byte {
	h := resp.Header.Clone()
	h.Del("Date")
	h.Del("X-Request-Id")
	whole := fmt.Appendf(nil, "%s %d\n", operation, resp.StatusCode)
	for _, name := range []string{"Content-Type", "Cache-Control", "Pragma", "Retry-After", "WWW-Authenticate", "ETag", "Location", "Consistency-Token"} {
		whole = fmt.Appendf(whole, "%s: %q\n", name, h.Values(name))
	}
	return sha256.Sum256(append(whole, body...))
}

// Section 1 of the description's own promise: what is served is the file.
func TestOpenAPIIsServed(t *testing.T) {
	t.Parallel()
	s := start(t)
	file, err := os.ReadFile(filepath.Join("..", "..", "handlers", "openapi", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	got := s.get("/openapi.json").ok()
	if !bytes.Equal(got.body, file) {
		t.Error("/openapi.json is not handlers/openapi/openapi.json")
	}
	s.get("/openapi.json", header("If-None-Match", got.header.Get("ETag"))).want(http.StatusNotModified)
}

// Every described operation is mounted: whatever it says to a request without
// anything in it, it is not that the route or the method is unknown.
func TestEveryDescribedOperationIsMounted(t *testing.T) {
	t.Parallel()
	s := start(t)
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	admin := s.admin()
	for path, item := range d.doc.Paths.Map() {
		for method := range item.Operations() {
			r, err := http.NewRequest(method, s.issuer()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			bearer(admin)(r)
			resp, err := s.client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()                    // a stream would not end
			named := strings.Contains(path, "{") // nothing has that name
			if resp.StatusCode == http.StatusMethodNotAllowed || resp.StatusCode == http.StatusNotFound && !named {
				t.Errorf("%s %s: %d", method, path, resp.StatusCode)
			}
		}
	}
}
