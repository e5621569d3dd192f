// Package authn owns the question who is calling: a client with its
// credentials, or the bearer of an access token. Every endpoint asks here, so
// that none can forget liveness, throttling or the tenant.
package authn

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Config is what an Authenticator works with. All fields are required.
type Config struct {
	// View reads the replica's state.
	View func(func(*projections.State))
	// CatchUp waits until the state shows everything that was acknowledged
	// before the call: see emit.Emitter.Prove.
	CatchUp func(context.Context) error
	// Hash is the keyed digest of client secrets.
	Hash func(secret string) events.SecretDigest
	// Verify checks a token's signature and returns its claims.
	Verify func(token string) (claims []byte, err error)
	Now    func() time.Time
}

// Authenticator is safe for concurrent use.
type Authenticator struct {
	Config
	throttle *throttle
}

// New returns an Authenticator.
func New(c Config) *Authenticator {
	return &Authenticator{Config: c, throttle: newThrottle()}
}

// Client authenticates the client of a form request. Failures are counted per
// client and address; a pair that fails too often is refused unheard.
func (a *Authenticator) Client(c echo.Context, p oauth.Params) (command.Client, error) {
	credentials, err := oauth.ParseClient(c.Request(), p)
	if err != nil {
		return command.Client{}, err
	}
	now := a.Now()
	pair := pairOf(credentials.ID, c.RealIP())
	if wait := a.throttle.blocked(pair, now); wait > 0 {
		return command.Client{}, tooManyFailures(wait)
	}
	var digest *events.SecretDigest
	if credentials.Method != oauth.MethodNone {
		d := a.Hash(credentials.Secret)
		digest = &d
	}
	var client command.Client
	a.View(func(s *projections.State) {
		client, err = command.AuthenticateClient(s, now, credentials.ID, digest)
	})
	if err != nil {
		a.throttle.failed(pair, now)
	}
	return client, err
}
