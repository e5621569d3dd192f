package oauth

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// MaxBody is the largest request body, in bytes.
const MaxBody = 64 << 10

// maxParams bounds the parameters of one form.
const maxParams = 64

// Refusals of bodies.
var (
	ErrTooLarge = &Error{Status: http.StatusRequestEntityTooLarge, Code: CodeInvalidRequest, Message: "The request body is too large"}
	ErrMedia    = &Error{
		Status: http.StatusUnsupportedMediaType, Code: CodeInvalidRequest,
		Message: "The body must be application/x-www-form-urlencoded",
	}
)

// Params are the parameters of a form body. A parameter without a value counts
// as absent (RFC 6749 section 3.2).
type Params map[string]string

// credentialNames must not stand in a URL, where logs and proxies keep them.
var credentialNames = []string{"client_secret", "password", "token", "refresh_token", "client_assertion", "code"}

// ParseForm reads a form body strictly: the right type (415), at most MaxBody
// (413), every name once, valid UTF-8 without NUL, no credentials in the query.
func ParseForm(r *http.Request) (Params, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return nil, ErrMedia
	}
	if r.URL.RawQuery != "" {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, Invalid("The query is malformed")
		}
		for _, name := range credentialNames {
			if query.Has(name) {
				return nil, Invalid("Credentials belong in the body, not in the URL")
			}
		}
	}
	body, err := ReadBody(r)
	if err != nil {
		return nil, err
	}
	return parsePairs(body)
}

// ReadBody reads a body of at most MaxBody bytes.
func ReadBody(r *http.Request) (string, error) {
	if r.ContentLength > MaxBody {
		return "", ErrTooLarge
	}
	length := r.ContentLength
	if length < 0 {
		length = 512
	}
	// Sized to what was announced: io.Copy would take 32 KiB per request.
	b := bytes.NewBuffer(make([]byte, 0, length+bytes.MinRead))
	n, err := b.ReadFrom(io.LimitReader(r.Body, MaxBody+1))
	if n > MaxBody {
		return "", ErrTooLarge
	}
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return "", ErrTooLarge
		}
		return "", Invalid("The request body could not be read")
	}
	return b.String(), nil
}

func parsePairs(body string) (Params, error) {
	if strings.Count(body, "&") >= maxParams {
		return nil, Invalid("Too many parameters")
	}
	params := make(Params, 8)
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		if nameErr != nil || valueErr != nil || !clean(name) || !clean(value) {
			return nil, Invalid("The request body is malformed")
		}
		if _, repeated := params[name]; repeated {
			return nil, Invalid("A parameter is repeated")
		}
		params[name] = value
	}
	return params, nil
}

func clean(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }
