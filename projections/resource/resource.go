// Package resource is for other people's servers: it decides locally whether
// an access token of a grantlog counts, without a call per request.
//
// A Verifier checks signature, type, issuer, audience and lifetime with the
// issuer's published keys, and revocation against its own live view of the
// issuer's feed. The view holds what ended, never what was issued, so its
// memory follows the revocations of one token lifetime.
//
// What the view cannot know it asks the issuer about, once per token, by
// introspection (RFC 7662): tokens that were issued before it began to listen,
// and tokens whose iat is too close to an ending of all of a client's tokens
// for clocks to tell. A Verifier that has not heard from the issuer for
// MaxStaleness asks about every token, or refuses to decide (Policy).
//
// A Verifier is safe for concurrent use.
package resource

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Refusals. The middleware answers all but ErrUnavailable with 401.
var (
	ErrInvalid = errors.New("resource: invalid token")
	ErrExpired = errors.New("resource: token expired")
	ErrRevoked = errors.New("resource: token revoked")
	// ErrUnavailable: whether the token counts cannot be known now (503).
	ErrUnavailable = errors.New("resource: the issuer cannot be heard")
)

// Policy says what to do while the issuer's feed is not heard.
type Policy int

const (
	// Introspect asks the issuer about every token.
	Introspect Policy = iota
	// Deny refuses to decide: ErrUnavailable.
	Deny
)

// Config is what a Verifier works with.
type Config struct {
	Issuer string // required: as in the tokens' iss
	// ClientID and ClientSecret are required: an application of the issuer
	// with scope revocations:read, which listens and introspects.
	ClientID, ClientSecret string
	// Audience is what a token's aud must name (RFC 9068 section 4); empty: the
	// issuer.
	Audience string
	// Resource is the URL of what is protected, for clients that find out by
	// themselves where to get a token (RFC 9728): challenges then name its
	// metadata, which Metadata serves. Name is what people call it.
	Resource, Name string
	// MaxStaleness is how old the last sign of the feed may be. The issuer
	// gives one every 15 s. 0: 30 s.
	MaxStaleness time.Duration
	// WhenStale says what to do beyond it.
	WhenStale Policy
	// NATS, if set, is a connection that may subscribe to the revocations of
	// Organization: they come a little sooner. The HTTP feed stays the truth.
	NATS         *nats.Conn
	Organization string

	HTTP   *http.Client     // nil: one with a timeout of 10 s for requests
	Clock  func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: nothing is logged
}

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

// Verifier decides about tokens.
type Verifier struct {
	cfg  Config
	keys *keySet
	view *view
	ask  *introspector
}

// New returns a Verifier that listens until ctx ends. It does not wait for the
// issuer: until the feed is heard, WhenStale holds.
func New(ctx context.Context, cfg Config) (*Verifier, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg, keys: newKeySet(cfg), view: newView(cfg.Clock), ask: newIntrospector(cfg)}
	l := &listener{cfg: cfg, view: v.view}
	if cfg.NATS != nil {
		if err := l.subscribe(ctx); err != nil {
			return nil, err
		}
	}
	go l.run(ctx)
	return v, nil
}

func (c *Config) complete() error {
	switch {
	case c.Issuer == "" || c.ClientID == "" || c.ClientSecret == "":
		return errors.New("resource: Issuer, ClientID and ClientSecret are required")
	case c.Resource != "" && !checkResource(c.Resource):
		return errors.New("resource: Resource must be an absolute http or https URL without query and fragment")
	case c.NATS != nil && c.Organization == "":
		return errors.New("resource: NATS needs Organization")
	}
	c.Issuer = strings.TrimRight(c.Issuer, "/")
	if c.Audience == "" {
		c.Audience = c.Issuer
	}
	if c.MaxStaleness <= 0 {
		c.MaxStaleness = 30 * time.Second
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Verify decides about a token. The errors are the Err… of this package and
// those of ctx.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	payload, err := v.keys.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	claims := new(Claims)
	if json.Unmarshal(payload, claims) != nil || claims.ID == "" || claims.Issuer != v.cfg.Issuer || !slices.Contains(claims.Audience, v.cfg.Audience) {
		return nil, ErrInvalid
	}
	now := v.cfg.Clock()
	if now.Unix() >= claims.Expires {
		return nil, ErrExpired
	}
	if v.view.age(now) > v.cfg.MaxStaleness {
		if v.cfg.WhenStale == Deny {
			return nil, ErrUnavailable
		}
		return claims, v.ask.token(ctx, token, v.view.mark())
	}
	switch v.view.judge(claims, now) {
	case revoked:
		return nil, ErrRevoked
	case doubtful:
		return claims, v.settle(ctx, token, claims)
	}
	return claims, nil
}

// settle asks the issuer about a token that the view cannot judge, and
// remembers that it counts: what ends it later, the view hears.
func (v *Verifier) settle(ctx context.Context, token string, claims *Claims) error {
	heard, asked := v.view.mark(), v.cfg.Clock()
	err := v.ask.token(ctx, token, heard)
	if err == nil {
		v.view.vouch(claims, heard.Position, asked)
	}
	return err
}

// Position is the last position of the log that the Verifier has heard of.
func (v *Verifier) Position() uint64 { return uint64(v.view.mark().Position) }
