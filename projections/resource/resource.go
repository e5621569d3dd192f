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
// for clocks to tell. A Verifier that has not heard from the issuer for longer
// than WithMaxStaleness allows asks about every token, or refuses to decide.
//
// A Verifier is safe for concurrent use.
package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Refusals. The middleware answers all but ErrUnavailable with 401.
var (
	ErrInvalid = errors.New("resource: invalid token")
	ErrExpired = errors.New("resource: token expired")
	ErrRevoked = errors.New("resource: token revoked")
	// ErrUnavailable: whether the token counts cannot be known now (503).
	ErrUnavailable = errors.New("resource: the issuer cannot be heard")
)

// Verifier decides about tokens.
type Verifier struct {
	cfg       config
	keys      *keySet
	view      *view
	ask       *introspector
	stop      context.CancelFunc
	listening sync.WaitGroup
}

// New returns a Verifier of an issuer's tokens, which is named as in their iss.
// WithClient is required. The Verifier begins to listen in the background, until
// Close; New does not wait for the issuer, which may not run yet: until the feed
// is heard, the Policy of WithMaxStaleness holds. The errors tell which option
// is wrong and what it needs.
func New(issuer string, opts ...Option) (*Verifier, error) {
	cfg, err := newConfig(issuer, opts)
	if err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg, keys: newKeySet(cfg), view: newView(cfg.clock), ask: newIntrospector(cfg)}
	l := &listener{cfg: cfg, view: v.view}
	for _, feed := range cfg.brokers {
		if err := l.subscribe(feed); err != nil {
			l.unsubscribe()
			return nil, fmt.Errorf("resource: NATS: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	v.stop = cancel
	v.listening.Go(func() {
		defer l.unsubscribe()
		l.run(ctx)
	})
	return v, nil
}

// Close ends listening, and returns when it has. Verify goes on with what was
// heard for as long as WithMaxStaleness allows.
func (v *Verifier) Close() {
	v.stop()
	v.listening.Wait()
}

// Verify decides about a token. The errors are the Err… of this package and
// those of ctx.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	payload, err := v.keys.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	claims := new(Claims)
	if json.Unmarshal(payload, claims) != nil || claims.ID == "" || claims.Issuer != v.cfg.issuer || !slices.Contains(claims.Audience, v.cfg.audience) {
		return nil, ErrInvalid
	}
	now := v.cfg.clock()
	if now.Unix() >= claims.Expires {
		return nil, ErrExpired
	}
	if v.view.age(now) > v.cfg.maxStaleness {
		if v.cfg.beyond == Deny {
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
	heard, asked := v.view.mark(), v.cfg.clock()
	err := v.ask.token(ctx, token, heard)
	if err == nil {
		v.view.vouch(claims, heard.Position, asked)
	}
	return err
}

// Position is the last position of the log that the Verifier has heard of.
func (v *Verifier) Position() uint64 { return uint64(v.view.mark().Position) }
