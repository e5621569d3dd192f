package seedfile

import (
	"errors"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds, in bytes and requests.
const (
	maxName  = 255
	maxText  = 2000
	maxEmail = 254
	maxLimit = 1_000_000_000
)

// plainName is what may become part of a path or a placeholder.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

const plainNameForm = "1 to 64 of A-Z, a-z, 0-9, _ and -"

var (
	uuidForm  = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	grantType = regexp.MustCompile(`^([a-z0-9_]{1,64}|urn:[A-Za-z0-9:._-]{1,200})$`)
	method    = regexp.MustCompile(`^[A-Z]{1,20}$`)
	header    = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")

	// templateCall is the only placeholder there is.
	templateCall = regexp.MustCompile(`\$\{[A-Za-z0-9_-]{1,64}_access_token\}`)
)

// printable reports valid UTF-8 of at most max bytes without control
// characters.
func printable(s string, max int) bool {
	return len(s) <= max && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// visible reports visible ASCII of at most max bytes (RFC 6749 appendix A.1
// without the space).
func visible(s string, max int) bool {
	return len(s) <= max && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// scopeToken is scope-token of RFC 6749 section 3.3.
func scopeToken(s string) bool {
	return s != "" && visible(s, maxName) && !strings.ContainsAny(s, `"\`)
}

// checkRoute checks "METHOD /path".
func checkRoute(s string) error {
	verb, p, ok := strings.Cut(s, " ")
	if !ok || !method.MatchString(verb) {
		return errors.New(`want a method and a path, such as "GET /api/v1/customers/*"`)
	}
	return checkPath(p)
}

// checkPath checks a path in plain form. A star stands only for a whole last
// segment: anything cleverer could be read differently by guard and upstream.
func checkPath(p string) error {
	bare := strings.TrimSuffix(p, "/*")
	switch {
	case !strings.HasPrefix(p, "/"):
		return errors.New("a path starts with /")
	case strings.Contains(bare, "*"):
		return errors.New("a * stands only at the end, after /")
	case !visible(p, maxText) || strings.ContainsAny(p, `?#%;\`):
		return errors.New(`a path has no space, control character, ?, #, %, ; or backslash`)
	case strings.Contains(p, "//"), bare != "" && path.Clean(bare) != bare:
		return errors.New("a path has no //, no dot segments and no / at its end")
	}
	return nil
}

// checkURL checks where the server itself sends requests.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("want an absolute http or https URL")
	case u.User != nil:
		return errors.New("a URL carries no user or password here")
	case strings.Contains(s, "#"):
		return errors.New("a URL has no fragment here")
	case !visible(s, maxText):
		return errors.New("a URL has no space or control character")
	}
	return nil
}

// checkRedirect checks a redirection endpoint (RFC 6749 section 3.1.2).
func checkRedirect(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || !u.IsAbs() || !visible(s, maxText) || strings.Contains(s, `\`):
		return errors.New("want an absolute URI")
	case u.User != nil || strings.Contains(s, "#"):
		return errors.New("a redirect URI has no user and no fragment")
	}
	return nil
}

// checkTemplate refuses every placeholder that is not known.
func checkTemplate(s string) error {
	if strings.Contains(templateCall.ReplaceAllString(s, ""), "${") {
		return errors.New("the only placeholder is ${NAME_access_token}")
	}
	return nil
}

func checkHeader(name, value string) error {
	if !header.MatchString(name) {
		return errors.New("not a header name")
	}
	if !printable(value, maxText) {
		return errors.New("the value is too long or has control characters")
	}
	return checkTemplate(value)
}
