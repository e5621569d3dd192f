package projections

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// MaxPath is the longest path that is looked at, in bytes.
const MaxPath = 4 << 10

// CleanPath decodes the escaped path of a request for matching. It refuses
// every path that two parsers could read in two ways: dot segments, empty
// segments, separators and percent signs hidden in escapes, parameters (;),
// backslashes, control characters. Such a path must not be passed on.
func CleanPath(escaped string) (path string, ok bool) {
	if escaped == "" || escaped[0] != '/' || len(escaped) > MaxPath {
		return "", false
	}
	path = escaped
	if strings.IndexByte(escaped, '%') >= 0 {
		decoded, err := url.PathUnescape(escaped)
		// What an escape stood for must not be a separator.
		if err != nil || strings.Count(decoded, "/") != strings.Count(escaped, "/") {
			return "", false
		}
		path = decoded
	}
	return path, plain(path)
}

// plain reports whether a decoded path means one thing only.
func plain(path string) bool {
	ascii, segment := true, 0 // segment: where the current one begins
	for i := range len(path) {
		switch c := path[i]; {
		case c < ' ' || c == 0x7f || c == '\\' || c == ';' || c == '%' || c == '?' || c == '#':
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		case c == '/':
			if i > 0 && !plainSegment(path[segment:i]) {
				return false
			}
			segment = i + 1
		}
	}
	last := path[segment:]
	return last != "." && last != ".." && (ascii || utf8.ValidString(path))
}

func plainSegment(s string) bool { return s != "" && s != "." && s != ".." }
