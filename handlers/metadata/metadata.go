// Package metadata owns what anyone may know of the server: its public keys
// (RFC 7517) and the two descriptions by which clients configure themselves
// (RFC 8414, OpenID Connect Discovery 1.0). Every URL in them is made of the
// configured issuer, never of a request; nothing is listed but what Config says
// is mounted. The descriptions are rendered once.
package metadata

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/oauth"
)

const (
	jwksPath     = "/oauth/jwks"
	serverPath   = "/.well-known/oauth-authorization-server"
	providerPath = "/.well-known/openid-configuration"
)

// Mounted is an endpoint that clients may use; the zero value is one that is
// not there.
type Mounted struct {
	Path string // below the issuer, such as "/oauth/token"
	// AuthMethods are how callers authenticate there: names registered with
	// IANA as token endpoint authentication methods or, for introspection,
	// as access token types ("Bearer"). Empty: not stated.
	AuthMethods []string
}

// Config says what there is to describe.
type Config struct {
	Issuer string                     // required: an http or https URL
	Keys   interface{ JWKS() []byte } // required: the public keys; nil while there are none

	Token, Introspection, Revocation, UserInfo Mounted

	GrantTypes []string
	Scopes     []string // that any client may know of
	Algorithms []string // JWS algorithms that tokens are signed with

	// Cache is how long the answers may be cached. A new key is published that
	// long before its first use.
	Cache time.Duration
}

// Endpoint serves the key set and the descriptions.
type Endpoint struct {
	keys         interface{ JWKS() []byte }
	path         string // of the issuer
	server       described
	provider     described
	cacheControl string
}

// described is a document with its entity tag.
type described struct {
	body []byte
	etag string
}

func describe(body []byte) described {
	sum := sha256.Sum256(body)
	return described{body, `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// New renders the descriptions. The error says what is wrong with the issuer.
func New(cfg Config) (*Endpoint, error) {
	path, err := issuerPath(cfg.Issuer)
	if err != nil {
		return nil, err
	}
	server, provider, err := documents(cfg)
	if err != nil {
		return nil, err
	}
	return &Endpoint{
		keys: cfg.Keys, path: path,
		server: describe(server), provider: describe(provider),
		cacheControl: "public, max-age=" + strconv.Itoa(int(cfg.Cache/time.Second)),
	}, nil
}

// Mount adds the endpoints to a router. An issuer with a path is described
// where RFC 8414 section 3.1 inserts the well-known part and where OpenID
// Connect Discovery section 4 appends it, and also without its path, for
// proxies that take the path off.
func (e *Endpoint) Mount(g *echo.Group) {
	g.GET(jwksPath, e.jwks)
	g.GET(serverPath, e.serve(e.server))
	g.GET(providerPath, e.serve(e.provider))
	if e.path != "" {
		g.GET(serverPath+e.path, e.serve(e.server))
		g.GET(providerPath+e.path, e.serve(e.provider))
		g.GET(e.path+providerPath, e.serve(e.provider))
	}
}

// errNoKey is answered in place of an empty key set, which a client would cache.
var errNoKey = &oauth.Error{
	Status: http.StatusServiceUnavailable, Code: oauth.CodeUnavailable,
	Message: "No signing key is published yet; retry", RetryAfter: 1,
}

func (e *Endpoint) jwks(c echo.Context) error {
	keys := e.keys.JWKS()
	if keys == nil {
		return errNoKey
	}
	return e.answer(c, describe(keys))
}

func (e *Endpoint) serve(d described) echo.HandlerFunc {
	return func(c echo.Context) error { return e.answer(c, d) }
}

func (e *Endpoint) answer(c echo.Context, d described) error {
	h := c.Response().Header()
	h.Set("Cache-Control", e.cacheControl)
	h.Set("ETag", d.etag)
	if matches(c.Request().Header.Values("If-None-Match"), d.etag) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.JSONBlob(http.StatusOK, d.body)
}

// matches compares as RFC 9110 section 13.1.2 says: weakly, * is any.
func matches(conditions []string, etag string) bool {
	for _, line := range conditions {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}
