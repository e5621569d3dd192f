package body

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/handlers/oauth"
)

type limits struct {
	PerMinute int `json:"perMinute"`
}

type sample struct {
	Name   *string  `json:"name"`
	Count  *int     `json:"count"`
	Public bool     `json:"public"`
	Scopes []string `json:"scopes"`
	Limits *limits  `json:"limits"`
	List   []limits `json:"list"`
}

func request(contentType, text string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func status(err error) int {
	var e *oauth.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

func TestDecode(t *testing.T) {
	name, count := "a", 5
	for text, want := range map[string]sample{
		`{}`:                            {},
		" \n{\"name\":\"a\"}\t ":        {Name: &name},
		`{"count":5,"public":true}`:     {Count: &count, Public: true},
		`{"scopes":[]}`:                 {Scopes: []string{}},
		`{"limits":{"perMinute":1}}`:    {Limits: &limits{1}},
		`{"list":[{"perMinute":1},{}]}`: {List: []limits{{1}, {}}},
		`{"\u006eame":"\u0061"}`:        {Name: &name},
	} {
		var got sample
		if err := Decode(request("application/json; charset=UTF-8", text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestDecodeRefusals(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	for text, message := range map[string]string{
		``:                               "The body is not valid JSON",
		`nul`:                            "The body is not valid JSON",
		`null`:                           "The body must be a JSON object",
		`[]`:                             "The body must be a JSON object",
		`"x"`:                            "The body must be a JSON object",
		`{`:                              "The body is not valid JSON",
		`{"name":"a",}`:                  "The body is not valid JSON",
		`{'name':'a'}`:                   "The body is not valid JSON",
		`{"name":"a"}{}`:                 "The body has bytes after its JSON value",
		`{"name":"a"}x`:                  "The body has bytes after its JSON value",
		"{}\x00":                         "The body has bytes after its JSON value",
		`{"name":"a","name":"b"}`:        "The field name is repeated",
		`{"name":"a","n\u0061me":1}`:     "The field name is repeated",
		`{"Name":"a"}`:                   "Unknown field Name",
		`{"other":1}`:                    "Unknown field other",
		`{"<script>":1}`:                 "Unknown field",
		`{"":1}`:                         "Unknown field",
		`{"limits":{"name":1}}`:          "Unknown field name",
		`{"list":[{"x":1}]}`:             "Unknown field x",
		`{"name":{"x":1}}`:               "Unknown field x",
		`{"name":null}`:                  "null is not accepted; leave the member out",
		`{"scopes":[null]}`:              "null is not accepted; leave the member out",
		`{"name":1}`:                     "name must be a string",
		`{"name":["a"]}`:                 "name must be a string",
		`{"name":{}}`:                    "name must be a string",
		`{"scopes":"a"}`:                 "scopes must be an array",
		`{"scopes":[1]}`:                 "scopes must be a string",
		`{"limits":[]}`:                  "limits must be an object",
		`{"limits":{"perMinute":"1"}}`:   "limits.perMinute must be a whole number",
		`{"public":"true"}`:              "public must be true or false",
		`{"count":1.5}`:                  "count must be a whole number",
		`{"count":1e400}`:                "count must be a whole number",
		`{"count":9223372036854775808}`:  "count must be a whole number",
		`{"count":-9223372036854775809}`: "count must be a whole number",
		`{"count":"5"}`:                  "count must be a whole number",
		`{"count":01}`:                   "The body is not valid JSON",
		`{"count":NaN}`:                  "The body is not valid JSON",
		`{"name":"a\u0000"}`:             "The body contains text that is not Unicode, or NUL",
		`{"name":"\ud800"}`:              "The body contains text that is not Unicode, or NUL",
		"{\"name\":\"\xff\"}":            "The body is not valid UTF-8",
		"\ufeff{}":                       "The body is not valid JSON",
		deep:                             "Unknown field a",
		`{"scopes":` + strings.Repeat("[", 10_000): "The body is nested too deeply",
	} {
		var got sample
		err := Decode(request("application/json", text), &got)
		if status(err) != http.StatusBadRequest || err.Error() != message {
			t.Errorf("%.60q: got %v, want %q", text, err, message)
		}
	}
}

func TestDecodeMediaTypeAndSize(t *testing.T) {
	for contentType, want := range map[string]int{
		"application/json":                  0,
		"Application/JSON;charset=utf-8":    0,
		"":                                  http.StatusUnsupportedMediaType,
		"text/json":                         http.StatusUnsupportedMediaType,
		"application/x-www-form-urlencoded": http.StatusUnsupportedMediaType,
		"application/json; charset=utf-16":  http.StatusUnsupportedMediaType,
		"application/json, text/plain":      http.StatusUnsupportedMediaType,
		"application/json;;":                http.StatusUnsupportedMediaType,
	} {
		var v sample
		if got := status(Decode(request(contentType, `{}`), &v)); got != want {
			t.Errorf("%q: %d, want %d", contentType, got, want)
		}
	}
	var v sample
	repeated := request("application/json", `{}`)
	repeated.Header.Add("Content-Type", "text/plain")
	if got := status(Decode(repeated, &v)); got != http.StatusUnsupportedMediaType {
		t.Errorf("two types: %d", got)
	}
	large := `{"name":"` + strings.Repeat("x", oauth.MaxBody) + `"}`
	chunked := request("application/json", large)
	chunked.ContentLength = -1
	for _, r := range []*http.Request{request("application/json", large), chunked} {
		if got := status(Decode(r, &v)); got != http.StatusRequestEntityTooLarge {
			t.Errorf("large: %d", got)
		}
	}
}

func TestDecodeOptional(t *testing.T) {
	for _, c := range []struct {
		contentType, text string
		want              int
	}{
		{"", "", 0},
		{"application/x-www-form-urlencoded", "", 0},
		{"application/json", "{}", 0},
		{"", "{}", http.StatusUnsupportedMediaType},
		{"application/json", " ", http.StatusBadRequest},
		{"application/json", `{"x":1}`, http.StatusBadRequest},
	} {
		var v struct{}
		if got := status(DecodeOptional(request(c.contentType, c.text), &v)); got != c.want {
			t.Errorf("%q %q: %d, want %d", c.contentType, c.text, got, c.want)
		}
	}
}

// No text makes anything but a 400 with a short message of plain characters;
// what is accepted is text without NUL.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"name":"a","count":1,"public":true,"scopes":["a"],"limits":{"perMinute":1},"list":[{}]}`,
		`{"count":1e400}`, `{"name":"\ud800"}`, `{"a":{"b":[{"c":null}]}}`, "{\"\x00\":1}", `[[[[`, `{"name":"a"}x`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v sample
		err := decode(text, &v)
		if err != nil {
			message := err.Error()
			if status(err) != http.StatusBadRequest || len(message) > 100 || strings.ContainsAny(message, "<>\"'\r\n\\\x00") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for _, s := range append(v.Scopes, deref(v.Name)) {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
				t.Fatalf("%q gave %q", text, s)
			}
		}
	})
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
