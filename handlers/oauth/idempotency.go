package oauth

import (
	"net/http"
	"strings"
)

// maxIdempotencyKey bounds the header's value, in bytes.
const maxIdempotencyKey = 255

var errIdempotencyKey = Invalid("The Idempotency-Key must be one value of 1 to 255 printable characters")

// IdempotencyKey reads the Idempotency-Key header
// (draft-ietf-httpapi-idempotency-key-header); empty without one. Its value is
// any printable text, for what it means is known to the client alone. One that
// begins as a string of RFC 9651 must be one, and not empty.
func IdempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	unprintable := func(c rune) bool { return c < 0x20 || c > 0x7e }
	if len(values) > 1 || strings.TrimSpace(key) == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, unprintable) {
		return "", errIdempotencyKey
	}
	if key[0] == '"' && !isString(key) {
		return "", errIdempotencyKey
	}
	return key, nil
}

// isString reports whether text that begins with a quotation mark is a string
// (RFC 9651 section 3.3.3) of at least one character.
func isString(text string) bool {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i == len(text) || text[i] != '"' && text[i] != '\\' {
				return false
			}
		case '"':
			return i == len(text)-1 && i > 1
		}
	}
	return false
}
