// Package body owns how JSON request bodies are read: strictly, once, in full,
// before anything is done with them. What two JSON parsers could read in two
// ways is refused: repeated names, names in another case, text that is not
// Unicode, bytes after the value. null is refused too: a member that is not to
// be set is left out.
package body

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/grantlog/grantlog/handlers/oauth"
)

// maxDepth is how deep containers may stand in each other.
const maxDepth = 16

var (
	errMedia = &oauth.Error{
		Status: http.StatusUnsupportedMediaType, Code: oauth.CodeInvalidRequest,
		Message: "The body must be application/json",
	}
	errSyntax = oauth.Invalid("The body is not valid JSON")
	errObject = oauth.Invalid("The body must be a JSON object")
)

// Decode reads a request's JSON object into the struct that into points to.
// Names are those of its json tags, to the letter. Errors are *oauth.Error:
// 415 for another type, 413 for more than oauth.MaxBody, else 400.
func Decode(r *http.Request, into any) error {
	if !isJSON(r) {
		return errMedia
	}
	text, err := oauth.ReadBody(r)
	if err != nil {
		return err
	}
	return decode(text, into)
}

// DecodeOptional is Decode for endpoints that need no body: an empty one, of
// any type, leaves into as it is.
func DecodeOptional(r *http.Request, into any) error {
	text, err := oauth.ReadBody(r)
	if err != nil {
		return err
	}
	if text == "" {
		return nil
	}
	if !isJSON(r) {
		return errMedia
	}
	return decode(text, into)
}

func isJSON(r *http.Request) bool {
	types := r.Header.Values("Content-Type")
	if len(types) != 1 {
		return false
	}
	media, params, err := mime.ParseMediaType(types[0])
	charset, given := params["charset"]
	return err == nil && media == "application/json" && (!given || strings.EqualFold(charset, "utf-8"))
}

func decode(text string, into any) error {
	if !utf8.ValidString(text) {
		return oauth.Invalid("The body is not valid UTF-8")
	}
	if err := check(text, membersOf(into)); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			// Field consists of the struct's own names, checked above.
			return oauth.Invalid(wrong.Field + " must be " + describe(wrong.Type))
		}
		return errSyntax
	}
	return nil
}
