package sign

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// MaxToken is the longest token that Verify looks at, in bytes.
const MaxToken = 8 << 10

// ErrSignature is what Verify says of every token that it does not believe.
var ErrSignature = errors.New("sign: not a token of this server")

// Verify returns the claims of a compact JWS that one of the published keys
// signed, as they were signed. The header's kid chooses the key and the key
// fixes the algorithm; headers that bring keys (jku, jwk, x5u, x5c) are never
// used, extensions (crit, b64, zip) are refused, and so are JWE, the JSON form
// and any encoding but the canonical one. Claims are not judged: a token may
// be expired, or never recorded. The error is ErrSignature.
func (s *Signer) Verify(token string) (claims []byte, err error) {
	h, ok := readCompact(token)
	if !ok {
		return nil, ErrSignature
	}
	k := s.keys().byID[h.kid]
	if k == nil || k.alg.name != h.alg || k.alg.signature != h.signature {
		return nil, ErrSignature
	}
	fixed := jws.WithKey(jwa.SignatureAlgorithm(k.alg.name), k.public)
	claims, err = jws.Verify([]byte(token), jws.WithCompact(), fixed)
	if err != nil {
		return nil, ErrSignature // jwx quotes the token in its errors
	}
	return claims, nil
}

// compact is what the form of a token says, before anything is believed.
type compact struct {
	alg, kid  string
	signature int // bytes
}

// readCompact takes a token apart without handing it to a JOSE library.
func readCompact(token string) (c compact, ok bool) {
	if len(token) > MaxToken || strings.Count(token, ".") != 2 {
		return c, false
	}
	parts := strings.Split(token, ".")
	protected, ok := decodeCanonical(parts[0])
	if !ok {
		return c, false
	}
	if _, ok := decodeCanonical(parts[1]); !ok {
		return c, false
	}
	signature, ok := decodeCanonical(parts[2])
	if !ok || !c.readHeader(protected) {
		return c, false
	}
	c.signature = len(signature)
	return c, true
}

// decodeCanonical decodes base64url without padding, line breaks or stray
// trailing bits, so that one value has one spelling.
func decodeCanonical(part string) ([]byte, bool) {
	if part == "" || strings.ContainsAny(part, "\r\n") { // the decoder skips these
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return b, err == nil
}

// readHeader reads a JOSE header: an object with each name once, in exact
// spelling, unlike encoding/json into a struct.
func (c *compact) readHeader(protected []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(protected))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		name, isName := t.(string)
		if err != nil || !isName || seen[name] {
			return false
		}
		seen[name] = true
		var value json.RawMessage
		if dec.Decode(&value) != nil || !c.readMember(name, value) {
			return false
		}
	}
	if _, err := dec.Token(); err != nil {
		return false
	}
	if _, err := dec.Token(); err != io.EOF {
		return false
	}
	return c.alg != "" && c.kid != ""
}

func (c *compact) readMember(name string, value json.RawMessage) bool {
	switch name {
	case "alg":
		return readString(value, &c.alg)
	case "kid":
		return readString(value, &c.kid)
	case "crit", "b64", "zip", "enc":
		return false // RFC 7515 section 4.1.11, RFC 7797; the last two are JWE's
	}
	return true
}

// readString accepts a JSON string only: null would leave the value alone.
func readString(value json.RawMessage, into *string) bool {
	return len(value) > 0 && value[0] == '"' && json.Unmarshal(value, into) == nil
}
