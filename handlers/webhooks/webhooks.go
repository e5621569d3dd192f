// Package webhooks owns the receivers that an organization's revocations are
// pushed to: each ending is a signed Security Event Token (RFC 8417), delivered
// by HTTP (RFC 8935).
//
// A receiver gets the endings of its organization in log order, one at a time,
// each until it acknowledges it, and all of them at least once: whoever takes
// over from a replica that was killed pushes again what the log was not told
// of, under the same jti. What was acknowledged is told every few seconds and
// when the pushing pauses, not with each push.
//
// One replica pushes to a receiver: the one that the log gives the lease, by
// compare-and-swap. The lease is taken when there is something to push and given
// back soon after there is not; the replica that had it last goes first. A
// webhook that is pushed to has a goroutine of its own, so that no receiver
// holds back another; all others have none.
package webhooks

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/handlers/sse"
	"github.com/grantlog/grantlog/projections"
)

// What is pushed may be read with scopeRead; pushing it to others is a matter
// of managing the organization's integrations as well.
const (
	scopeRead  = "revocations:read"
	scopeWrite = "applications:write"
)

// Sealers seal and open what receivers want to be told; see sign.Vault.
type Sealers interface {
	Seal(record string, plain []byte) ([]byte, error)
	Unseal(record string, sealed []byte) ([]byte, error)
}

// Config wires an Endpoint. All fields but Observe are required.
type Config struct {
	Authn   *authn.Authenticator
	Emit    *emit.Emitter
	AsOf    *asof.Reader
	Cursors *page.Cursors
	Repeats *manage.Repeats
	Sealers Sealers
	// Sign makes a compact JWS; see sign.Signer.
	Sign   func(alg, typ string, claims []byte) (token, kid string, err error)
	Issuer string
	// Replica is the id of this one, as it stands in the log.
	Replica string
	// Position is the last record that this replica shows.
	Position func() events.Position
	// First is the first record of the log, and Begins the state that the log
	// begins with: what came to it before.
	First  func() events.Position
	Begins func(ctx context.Context) (*projections.State, error)
	// Endings finds what to push; see revocations.Endpoint.After.
	Endings func(ctx context.Context, after sse.Place, now events.Position, organization string, limit int) ([]projections.Ending, <-chan struct{}, error)
	// Fresh fails while this replica may not know whose the leases are.
	Fresh func() error
	// GiveUp is how long a receiver may fail before its webhook is dead.
	GiveUp time.Duration
	// Stopping is closed when the server stops: no push is begun.
	Stopping <-chan struct{}
	// Observe is told of every push: acknowledged, failed or refused.
	Observe func(outcome string, took time.Duration)
	Log     *slog.Logger
}

// Endpoint serves webhooks and pushes to them.
type Endpoint struct {
	Config
	pace   pace
	client *client
	wake   chan struct{}

	work     sync.WaitGroup // sessions
	mu       sync.Mutex
	sessions map[string]*session // by webhook; one that rests after an error, too
}

// New returns the endpoint. Run pushes; Applied must be told of every record.
func New(c Config) *Endpoint {
	if c.Observe == nil {
		c.Observe = func(string, time.Duration) {}
	}
	return &Endpoint{Config: c, pace: usual, client: newClient(), wake: make(chan struct{}, 1), sessions: map[string]*session{}}
}

const path = "/oauth/webhooks"

// Mount adds the endpoints to a router.
func (e *Endpoint) Mount(g *echo.Group) {
	read, write := e.Authn.Require(scopeRead), e.Authn.Require(scopeWrite)
	g.GET(path, e.list, read)
	g.GET(path+"/:id", e.get, read)
	g.POST(path, e.create, write, read)
	g.POST(path+"/:id/resume", e.resume, write, read)
	g.DELETE(path, e.deleteNamed, write, read)
	g.DELETE(path+"/:id", e.delete, write, read)
}
