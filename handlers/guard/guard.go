// Package guard owns the one decision about calls of guarded APIs, which the
// gateway, forward auth and others serve: is the token live, does it open the
// route, is it meant for here, is there quota left. It counts what it admits
// and accounts for it in the log.
//
// # Counting
//
// A call is decided here, without a round trip: the quota is compared with
// what the state shows of all replicas and what this replica admitted since.
// Decision and count are one step under the ledger's lock, which is taken
// inside View and never around it.
//
// Once a second the replica accounts for what it counted (usage.recorded). In
// between it lets fewer than share calls pass that no other replica can see;
// each further one waits until an account with it is durable and visible here,
// and the fold's verdict says whether the log's order had room for it. So over
// any window N replicas admit at most limit + (N-1)·(share-1) calls, and one
// replica never more than the limit. A replica that is killed forgets fewer
// than share calls; one that is stopped forgets none.
package guard

import (
	"context"
	"log/slog"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Config is what a Guard works with. All fields are required.
type Config struct {
	Authn   *authn.Authenticator
	Emit    *emit.Emitter
	Fresh   func() error // nil while this replica may answer
	Issuer  string
	Replica string // as it stands on this replica's pages
	Log     *slog.Logger
}

// Guard judges calls. It is safe for concurrent use. Run must run as long as
// calls are judged.
type Guard struct {
	Config
	ledger *ledger
}

// New returns a Guard.
func New(c Config) *Guard { return &Guard{Config: c, ledger: newLedger(c.Replica)} }

// Call is what a face of the guard asks about.
type Call struct {
	Token  string // as the caller presented it
	Method string
	Path   string // escaped, as it came: URL.EscapedPath
	Proxy  bool   // an upstream is needed: without one the path is not found
	// Service names a service that is called, whatever method and path: its
	// own tokens open it and no scope does.
	Service *command.ServiceName
}

// Pass is a call that may go on. After a refusal it holds what was known.
type Pass struct {
	Token        projections.Token
	Application  *projections.Application // nil for a service's credential
	Organization *projections.Organization
	Scope        string               // the one that opened the route
	Upstream     *events.Upstream     // where the gateway sends it; nil: nowhere
	Service      *projections.Service // the one that is called, if one is
	Quota        command.Quota        // after this call

	second int64 // when it was judged, Unix
}

// Refusals of calls, beside those of package command.
var (
	errPath     = oauth.Invalid("The path is malformed")
	errAudience = &command.Error{Kind: command.KindInvalidToken, Message: "The token is meant for another audience"}
)

// Check judges a call and counts it if it may pass. Refusals are errors that
// package oauth answers: 400, 401, 403, 404, 429, and 503 when this replica
// cannot say. Whatever the error, WriteQuota may be called on the pass.
func (g *Guard) Check(ctx context.Context, call Call) (Pass, error) {
	if err := g.Fresh(); err != nil {
		return Pass{}, err
	}
	if call.Service != nil {
		if pass, open := g.open(*call.Service); open {
			return pass, nil
		}
	} else {
		path, ok := projections.CleanPath(call.Path)
		if !ok {
			return Pass{}, errPath
		}
		call.Path = path
	}
	j := judges.Get().(*judgement)
	defer j.release()
	if !j.look(g, call) {
		// Nothing that was issued here: if the signature is good the log may
		// show it by now.
		checked, err := g.Authn.Token(ctx, call.Token)
		switch {
		case err != nil:
			return Pass{}, err
		case checked.Liveness == projections.Expired:
			return Pass{}, command.ErrTokenExpired
		case checked.Liveness == projections.Unknown || !j.look(g, call):
			return Pass{}, command.ErrTokenInvalid
		}
	}
	if j.waits == nil {
		return j.pass, j.err
	}
	return g.await(ctx, j.pass, j.waits)
}

// open lets everybody call a service that asks for no token. Such calls are
// nobody's, so they take no quota from anybody.
func (g *Guard) open(name command.ServiceName) (p Pass, ok bool) {
	g.Emit.View(func(s *projections.State) {
		if p.Service, ok = command.OpenService(s, name); ok {
			p.Organization, ok = s.Organizations.Get(p.Service.Organization)
			ok = ok && !p.Organization.Disabled
		}
	})
	return p, ok
}

// await waits for the verdict on a call that brought this replica to its share
// of unseen calls.
func (g *Guard) await(ctx context.Context, p Pass, w *waiter) (Pass, error) {
	var err error
	select {
	case err = <-w.verdict:
	case <-ctx.Done():
		g.ledger.abandon(w)
		return p, context.Cause(ctx)
	}
	if err == errOver {
		return g.over(p)
	}
	return p, err
}

// over refuses a call that the log's order had no room for.
func (g *Guard) over(p Pass) (Pass, error) {
	now := g.Emit.Now()
	var err error
	g.Emit.View(func(s *projections.State) {
		p.Quota, err = command.Admit(s, now, p.Application, p.Organization, g.ledger.unshown(s, p))
	})
	if err == nil { // another call left meanwhile
		err = &command.LimitError{RetryAfter: 1}
	}
	return p, refusal(err)
}

// Done says how a call that passed was answered. Every face that learns the
// status calls it once.
func (g *Guard) Done(p Pass, status int) {
	if status >= 400 && caller(p) != "" {
		g.ledger.failed(p)
	}
}

// Remains is the quota that an application has left now.
func (g *Guard) Remains(s *projections.State, now time.Time, app *projections.Application, o *projections.Organization) command.Quota {
	return command.Remains(s, now, app, o, g.ledger.unshown(s, Pass{Application: app, Organization: o}))
}
