// Package handlers wires the endpoints: one package per endpoint family, one
// list of mounts. A request takes one way through all of them: handler →
// command (what may happen) → emit (append, wait until visible) → projections
// (what is true now) → answer.
package handlers

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/applications"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/audit"
	"github.com/grantlog/grantlog/handlers/authentications"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/enroll"
	"github.com/grantlog/grantlog/handlers/forwardauth"
	"github.com/grantlog/grantlog/handlers/gateway"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/health"
	"github.com/grantlog/grantlog/handlers/introspect"
	"github.com/grantlog/grantlog/handlers/keys"
	"github.com/grantlog/grantlog/handlers/login"
	"github.com/grantlog/grantlog/handlers/metadata"
	"github.com/grantlog/grantlog/handlers/metrics"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/openapi"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/handlers/password"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/handlers/proxy"
	"github.com/grantlog/grantlog/handlers/revocations"
	"github.com/grantlog/grantlog/handlers/revoke"
	"github.com/grantlog/grantlog/handlers/scopes"
	"github.com/grantlog/grantlog/handlers/service"
	"github.com/grantlog/grantlog/handlers/services"
	"github.com/grantlog/grantlog/handlers/sign"
	"github.com/grantlog/grantlog/handlers/token"
	"github.com/grantlog/grantlog/handlers/usage"
	"github.com/grantlog/grantlog/handlers/userinfo"
	"github.com/grantlog/grantlog/handlers/users"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// Config is what a server is made of. All fields but TrustedProxies,
// HashWorker and Metrics are required.
type Config struct {
	Journal  *journal.Journal
	Follower *follow.Follower
	Erasable *erasable.Store // of the same NATS
	Master   seal.Master
	Issuer   string // the only source of iss and of every advertised URL
	// TrustedProxies may tell a client's address in X-Forwarded-For.
	TrustedProxies []netip.Prefix
	LogReplicas    int
	JWKSCache      time.Duration // how long clients may cache the JWKS
	MaxStaleness   time.Duration // how late a replica may show the log
	KeyRotation    time.Duration // age at which a signing key is replaced
	HashWorker     []string      // command that hashes passwords; see password.Config
	Metrics        *metrics.Metrics
	Now            func() time.Time
	Log            *slog.Logger
}

// algorithms are those that tokens can be signed with, the default first.
var algorithms = []string{"ES256", "RS256", "PS256", "EdDSA"}

// Server is the HTTP face of a replica.
type Server struct {
	echo   *echo.Echo
	keeper *keys.Keeper
	health *health.Endpoint
	emit   *emit.Emitter
	hasher credential.Hasher
	feed   *revocations.Endpoint
	guard  *guard.Guard
	proxy  *proxy.Proxy
	office *enroll.Office

	passwords *password.Hasher

	thirdParties *authentications.Endpoint
	tokens       *token.Endpoint

	follower *follow.Follower
	open     atomic.Bool   // set by Open
	stopping chan struct{} // closed by Stopping
}

// mounter is an endpoint family.
type mounter interface{ Mount(*echo.Group) }

// New wires a server. Call Prepare before it serves.
func New(cfg Config) (*Server, error) {
	hasher := credential.NewHasher(cfg.Master.Derive(credential.Purpose))
	cursors := page.New(cfg.Master.Derive(page.Purpose))
	emitter := emit.New(cfg.Journal, cfg.Follower, cfg.Now)
	vault := sign.NewVault(cfg.Master)
	signer := sign.New(sign.Config{View: cfg.Follower.View, Unsealer: vault, Logger: cfg.Log})
	keeper := keys.NewKeeper(keys.Config{Emit: emitter, Vault: vault, Policy: cfg.keyPolicy(), Logger: cfg.Log})
	callers := authn.New(authn.Config{
		View: cfg.Follower.View, CatchUp: emitter.CatchUp, Hash: hasher.Digest, Verify: signer.Verify, Now: cfg.Now,
	})
	people := personal.New(cfg.Erasable, vault, cfg.Master.Derive(personal.Purpose))
	passwords := password.New(password.Config{Worker: cfg.HashWorker, Log: cfg.Log})
	logins := login.New(login.Config{
		Emit: emitter, People: people, Passwords: passwords, Store: cfg.Erasable,
		Key: cfg.Master.Derive(login.Purpose), Log: cfg.Log,
	})
	office := enroll.New(enroll.Config{Emit: emitter, People: people, Passwords: passwords, Log: cfg.Log})
	tokens := token.New(token.Config{
		Issuer: cfg.Issuer, Authn: callers, Emit: emitter, Signer: signer, Logins: logins,
		Rotator: credential.NewRotator(cfg.Master.Derive(credential.RefreshPurpose)), EnsureKey: keeper.Ensure, Log: cfg.Log,
	})
	past := asof.New(asof.Config{Log: cfg.Journal, Start: cfg.Follower.Past, View: cfg.Follower.View, Now: cfg.Now})
	described, err := metadata.New(cfg.metadata(signer, tokens.GrantTypes()))
	if err != nil {
		return nil, err
	}
	s := &Server{
		echo: newEcho(cfg), keeper: keeper, emit: emitter, hasher: hasher, office: office, passwords: passwords,
		tokens: tokens, follower: cfg.Follower, stopping: make(chan struct{}),
	}
	s.health = &health.Endpoint{Status: cfg.Follower.Status, Fresh: s.Fresh, LogReplicas: cfg.LogReplicas}
	s.guard = guard.New(guard.Config{
		Authn: callers, Emit: emitter, Fresh: cfg.Follower.Fresh,
		Issuer: cfg.Issuer, Replica: cfg.Journal.Replica(), Log: cfg.Log,
	})
	if s.proxy, err = proxy.New(proxy.Config{Guard: s.guard, Issuer: cfg.Issuer, Log: cfg.Log}); err != nil {
		return nil, err
	}
	s.feed = revocations.New(revocations.Config{
		Authn: callers, Position: cfg.Follower.Position, Read: cfg.Journal.Read, Fresh: s.Fresh, Stopping: s.stopping,
	})
	s.thirdParties = authentications.New(authentications.Config{
		Authn: callers, Emit: emitter, Store: cfg.Erasable, Sealers: vault, Log: cfg.Log,
	})
	root := s.echo.Group("")
	// These answer whatever the state of the log.
	mount(root, s.health, described, openapi.Endpoint{})
	// All others answer only from a state that is fresh, and as new as the
	// caller asks. (A group with middleware of its own would answer 404 for a
	// wrong method.)
	s.echo.Use(exempt(s.echo.Routes(), consistency.Middleware(s)))
	s.echo.Use((&gateway.Endpoint{Guard: s.guard, Proxy: s.proxy, Tokens: thirdPartyTokens(s.thirdParties)}).Unrouted)
	mount(root,
		tokens,
		&introspect.Endpoint{Authn: callers, AsOf: past},
		&revoke.Endpoint{Authn: callers, Emit: emitter},
		&applications.Endpoint{Authn: callers, Emit: emitter, AsOf: past, Cursors: cursors, Hash: hasher.Digest},
		&services.Endpoint{Authn: callers, Emit: emitter, AsOf: past, Cursors: cursors, Hash: hasher.Digest},
		&users.Endpoint{Authn: callers, Emit: emitter, AsOf: past, Cursors: cursors, People: people, Office: office},
		s.thirdParties,
		&userinfo.Endpoint{Authn: callers, Emit: emitter},
		&keys.Endpoint{Authn: callers, Keeper: keeper},
		&forwardauth.Endpoint{Guard: s.guard},
		&service.Endpoint{Guard: s.guard, Proxy: s.proxy},
		&scopes.Endpoint{Authn: callers, Emit: emitter},
		&usage.Endpoint{Authn: callers, Guard: s.guard},
		s.feed,
		&audit.Endpoint{Config: audit.Config{
			Authn: callers, Cursors: cursors, Position: cfg.Follower.Position, WaitFor: cfg.Follower.WaitFor,
			Read: cfg.Journal.Read, Fresh: s.Fresh, Stopping: s.stopping,
		}},
	)
	return s, nil
}

func mount(g *echo.Group, endpoints ...mounter) {
	for _, e := range endpoints {
		e.Mount(g)
	}
}

// exempt keeps a middleware away from the routes that exist already.
func exempt(routes []*echo.Route, m echo.MiddlewareFunc) echo.MiddlewareFunc {
	exempted := map[string]bool{}
	for _, r := range routes {
		exempted[r.Path] = true
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		guarded := m(next)
		return func(c echo.Context) error {
			if exempted[c.Path()] {
				return next(c)
			}
			return guarded(c)
		}
	}
}

func (c *Config) keyPolicy() command.KeyPolicy {
	return command.KeyPolicy{
		Algorithms: algorithms, Cache: c.JWKSCache, Lag: c.MaxStaleness, Rotation: c.KeyRotation,
		TokenLifetime: projections.MaxTokenLifetime,
	}
}

func (c *Config) metadata(signer *sign.Signer, grantTypes []string) metadata.Config {
	secrets := []string{oauth.MethodBasic, oauth.MethodPost}
	return metadata.Config{
		Issuer: c.Issuer, Keys: signer,
		Token:         metadata.Mounted{Path: "/oauth/token", AuthMethods: append(secrets, oauth.MethodNone)},
		Introspection: metadata.Mounted{Path: "/oauth/introspect", AuthMethods: append(secrets, "Bearer")},
		Revocation:    metadata.Mounted{Path: "/oauth/revoke", AuthMethods: append(secrets, oauth.MethodNone)},
		UserInfo:      metadata.Mounted{Path: userinfo.Path},
		GrantTypes:    grantTypes, Scopes: command.ManagementScopes, Algorithms: algorithms, Cache: c.JWKSCache,
	}
}

// newEcho returns a router that recovers from panics, names every request and
// writes every error through the one table of package oauth.
func newEcho(cfg Config) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(slogWriter{cfg.Log})
	e.HTTPErrorHandler = oauth.ErrorHandler(cfg.Log,
		journal.ErrUnavailable, journal.ErrUncertain, erasable.ErrUnavailable, follow.ErrStale, follow.ErrDamaged, follow.ErrNotReady, follow.ErrClosed)
	e.IPExtractor = echo.ExtractIPDirect()
	if len(cfg.TrustedProxies) > 0 {
		trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
		for _, network := range cfg.TrustedProxies {
			trust = append(trust, echo.TrustIPRange(&net.IPNet{
				IP: network.Addr().AsSlice(), Mask: net.CIDRMask(network.Bits(), network.Addr().BitLen()),
			}))
		}
		e.IPExtractor = echo.ExtractIPFromXFFHeader(trust...)
	}
	if cfg.Metrics != nil {
		e.Use(cfg.Metrics.Requests)
	}
	e.Use(middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true}), nameRequest)
	return e
}

// nameRequest gives every answer its X-Request-Id, and keeps it out of caches
// unless its handler says otherwise.
func nameRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		oauth.RequestID(c)
		c.Response().Header().Set("Cache-Control", "no-store")
		return next(c)
	}
}

// slogWriter carries what Echo itself logs.
type slogWriter struct{ log *slog.Logger }

func (w slogWriter) Write(b []byte) (int, error) {
	w.log.Debug("echo", "line", string(b))
	return len(b), nil
}

// Prepare makes the server able to sign; see keys.Keeper.EnsureFirst.
func (s *Server) Prepare(ctx context.Context) error { return s.keeper.EnsureFirst(ctx) }

// Open lets requests in, once the log holds what the first answer needs.
func (s *Server) Open() { s.open.Store(true) }

// Fresh says whether this replica may answer, and if not, why.
func (s *Server) Fresh() error {
	if err := s.follower.Fresh(); err != nil {
		return err
	}
	if !s.open.Load() {
		return follow.ErrNotReady
	}
	return nil
}

// WaitFor waits until this replica shows a position.
func (s *Server) WaitFor(ctx context.Context, position events.Position) error {
	return s.follower.WaitFor(ctx, position)
}

// Run does the background work of a replica until ctx ends.
func (s *Server) Run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() { s.keeper.Run(ctx) })
	work.Go(func() { s.guard.Run(ctx) })
	work.Go(func() { s.thirdParties.Run(ctx) })
	work.Go(func() { s.office.Run(ctx) })
	work.Go(func() { s.tokens.Run(ctx) })
	work.Wait()
	s.passwords.Close()
	s.proxy.Close()
}

// Emitter appends decisions of whoever starts the server: the first
// administrator and the seed file.
func (s *Server) Emitter() *emit.Emitter { return s.emit }

// SeedProvider makes the log show a provider of third-party tokens, as a seed
// file has it.
func (s *Server) SeedProvider(ctx context.Context, organization, name string, settings events.ProviderSettings, secret string) error {
	return s.thirdParties.Seed(ctx, organization, name, settings, secret)
}

// Hash is the keyed digest of client secrets.
func (s *Server) Hash() credential.Hasher { return s.hasher }

// Office enrolls the users of the seed file.
func (s *Server) Office() *enroll.Office { return s.office }

// Applied is told of every record that became visible; see follow.Config.
func (s *Server) Applied(r *journal.Record) {
	if r.Subject == events.KeysSubject() {
		s.keeper.Wake()
	}
	s.feed.Hub().Applied(r)
}

// Handler is the server's HTTP handler.
func (s *Server) Handler() http.Handler { return s.echo }

// Stopping makes /readyz answer 503 from now on and lets the listeners of live
// streams go, who resume elsewhere. It is called once.
func (s *Server) Stopping() {
	s.health.Stop()
	close(s.stopping)
}
