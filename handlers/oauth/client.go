package oauth

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/grantlog/grantlog/handlers/command"
)

// Client authentication methods (RFC 7591 section 2).
const (
	MethodBasic = "client_secret_basic"
	MethodPost  = "client_secret_post"
	MethodNone  = "none"
)

// Credentials are what a client presented, not yet believed.
type Credentials struct {
	Method string
	ID     string
	Secret string // empty with MethodNone
}

// ParseClient reads a client's credentials: HTTP Basic with both halves
// form-decoded (RFC 6749 section 2.3.1), or client_id and client_secret in the
// body. Two methods at once are 400; none at all is invalid_client.
func ParseClient(r *http.Request, p Params) (Credentials, error) {
	header := r.Header.Values("Authorization")
	if len(header) > 1 {
		return Credentials{}, Invalid("The Authorization header is repeated")
	}
	if len(header) == 0 {
		return fromBody(p)
	}
	if p["client_secret"] != "" {
		return Credentials{}, Invalid("The client authenticated in two ways at once")
	}
	c, ok := parseBasic(header[0])
	if !ok {
		return Credentials{}, command.ErrInvalidClient
	}
	if id := p["client_id"]; id != "" && id != c.ID {
		return Credentials{}, Invalid("The client_id differs from the authenticated client")
	}
	return c, nil
}

func fromBody(p Params) (Credentials, error) {
	c := Credentials{Method: MethodPost, ID: p["client_id"], Secret: p["client_secret"]}
	if c.ID == "" {
		return Credentials{}, command.ErrInvalidClient
	}
	if c.Secret == "" {
		c.Method = MethodNone
	}
	return c, nil
}

func parseBasic(header string) (Credentials, bool) {
	scheme, encoded, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Basic") {
		return Credentials{}, false
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return Credentials{}, false
	}
	rawID, rawSecret, found := strings.Cut(string(decoded), ":")
	if !found {
		return Credentials{}, false
	}
	id, idErr := url.QueryUnescape(rawID)
	secret, secretErr := url.QueryUnescape(rawSecret)
	if idErr != nil || secretErr != nil || id == "" || secret == "" || !clean(id) || !clean(secret) {
		return Credentials{}, false
	}
	return Credentials{Method: MethodBasic, ID: id, Secret: secret}, true
}
