package resource

import (
	"encoding/json"
	"slices"
	"strings"
)

// Claims are those of a token that counts (RFC 9068 section 2.2).
type Claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	ClientID string   `json:"client_id"`
	ID       string   `json:"jti"`
	IssuedAt int64    `json:"iat"` // Unix seconds
	Expires  int64    `json:"exp"` // Unix seconds
	Scope    scope    `json:"scope"`
	User     string   `json:"userId"`
}

// Has reports whether the token carries a scope.
func (c *Claims) Has(scope string) bool { return slices.Contains(c.Scope, scope) }

// audience is a string or a list of them (RFC 7519 section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error { return oneOrMany(b, (*[]string)(a), nil) }

// scope is a space-delimited string or, in tokens of the password grant, a list.
type scope []string

func (s *scope) UnmarshalJSON(b []byte) error { return oneOrMany(b, (*[]string)(s), strings.Fields) }

func oneOrMany(b []byte, into *[]string, split func(string) []string) error {
	var one string
	if json.Unmarshal(b, &one) != nil {
		return json.Unmarshal(b, into)
	}
	*into = []string{one}
	if split != nil {
		*into = split(one)
	}
	return nil
}
