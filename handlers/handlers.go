// Package handlers wires the endpoints: one package per endpoint family, one
// list of mounts. A request takes one way through all of them: handler →
// command (what may happen) → emit (append, wait until visible) → projections
// (what is true now) → answer.
package handlers

import (
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/applications"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/audit"
	"github.com/grantlog/grantlog/handlers/authentications"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/backups"
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
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/metadata"
	"github.com/grantlog/grantlog/handlers/metrics"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/openapi"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/handlers/password"
	"github.com/grantlog/grantlog/handlers/past"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/handlers/proxy"
	"github.com/grantlog/grantlog/handlers/revocations"
	"github.com/grantlog/grantlog/handlers/revoke"
	"github.com/grantlog/grantlog/handlers/scopes"
	"github.com/grantlog/grantlog/handlers/service"
	"github.com/grantlog/grantlog/handlers/services"
	"github.com/grantlog/grantlog/handlers/sign"
	"github.com/grantlog/grantlog/handlers/token"
	"github.com/grantlog/grantlog/handlers/tracing"
	"github.com/grantlog/grantlog/handlers/transparency"
	"github.com/grantlog/grantlog/handlers/usage"
	"github.com/grantlog/grantlog/handlers/userinfo"
	"github.com/grantlog/grantlog/handlers/users"
	"github.com/grantlog/grantlog/handlers/webhooks"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/projections/notary"
	"github.com/grantlog/grantlog/replay/backup"
)

// Config is what a server is made of. All fields but TrustedProxies,
// HashWorker, Metrics and Tracing are required.
type Config struct {
	Journal  *journal.Journal
	Follower *follow.Follower
	Notary   *notary.Notary  // of the same log
	Erasable *erasable.Store // of the same NATS
	Master   seal.Master
	Issuer   string // the only source of iss and of every advertised URL
	// TrustedProxies may tell a client's address in X-Forwarded-For.
	TrustedProxies []netip.Prefix
	LogReplicas    int
	JWKSCache      time.Duration // how long clients may cache the JWKS
	MaxStaleness   time.Duration // how late a replica may show the log
	KeyRotation    time.Duration // age at which a signing key is replaced
	WebhookGiveUp  time.Duration // how long a receiver may fail before nothing is pushed to it any more
	HashWorker     []string      // command that hashes passwords; see password.Config
	Metrics        *metrics.Metrics
	Tracing        *tracing.Tracing
	Now            func() time.Time
	Log            *slog.Logger
}

// algorithms are those that tokens can be signed with, the default first.
var algorithms = []string{"ES256", "RS256", "PS256", "EdDSA"}

// Server is the HTTP face of a replica.
type Server struct {
	cfg     Config
	echo    *echo.Echo
	hasher  credential.Hasher
	cursors *page.Cursors
	repeats *manage.Repeats
	emit    *emit.Emitter
	signer  *sign.Signer
	keeper  *keys.Keeper
	callers *authn.Authenticator
	log     *beginning
	past    *asof.Reader
	guard   *guard.Guard
	proxy   *proxy.Proxy

	people    *personal.Directory
	passwords *password.Hasher
	office    *enroll.Office

	health       *health.Endpoint
	tokens       *token.Endpoint
	feed         *revocations.Endpoint
	webhooks     *webhooks.Endpoint
	thirdParties *authentications.Endpoint

	open     atomic.Bool   // set by Open
	stopping chan struct{} // closed by Stopping
}

// mounter is an endpoint family.
type mounter interface{ Mount(*echo.Group) }

// New wires a server. Call Prepare before it serves.
func New(cfg Config) (*Server, error) {
	s := assemble(cfg)
	described, err := metadata.New(cfg.metadata(s.signer, s.tokens.GrantTypes()))
	if err != nil {
		return nil, err
	}
	if s.proxy, err = proxy.New(proxy.Config{Guard: s.guard, Issuer: cfg.Issuer, Log: cfg.Log}); err != nil {
		return nil, err
	}
	root := s.echo.Group("")
	// These answer whatever the state of the log.
	mount(root, s.health, described, openapi.Endpoint{})
	// All others answer only from a state that is fresh, and as new as the
	// caller asks. (A group with middleware of its own would answer 404 for a
	// wrong method.)
	s.echo.Use(exempt(s.echo.Routes(), consistency.Middleware(s)))
	s.echo.Use(s.thirdParties.Singular, (&gateway.Endpoint{Guard: s.guard, Proxy: s.proxy, Tokens: thirdPartyTokens(s.thirdParties)}).Unrouted)
	mount(root, s.endpoints()...)
	answerHead(s.echo)
	return s, nil
}

// assemble makes what endpoints have in common, and those that outlive a
// request.
func assemble(cfg Config) *Server {
	s := &Server{
		cfg: cfg, echo: newEcho(cfg), stopping: make(chan struct{}),
		hasher:  credential.NewHasher(cfg.Master.Derive(credential.Purpose)),
		cursors: page.New(cfg.Master.Derive(page.Purpose)),
		emit:    emit.New(cfg.Journal, cfg.Follower, cfg.Now),
		log:     &beginning{Journal: cfg.Journal, follower: cfg.Follower},
	}
	s.past = asof.New(asof.Config{Log: s.log, History: cfg.Follower.History(), View: cfg.Follower.View, Now: cfg.Now})
	s.repeats = manage.NewRepeats(cfg.Master.Derive(credential.RootPurpose), s.emit)
	s.health = &health.Endpoint{Status: cfg.Follower.Status, Fresh: s.Fresh, LogReplicas: cfg.LogReplicas}
	vault := sign.NewVault(cfg.Master)
	s.cursors.Epoch = func() string { return cfg.Follower.Epoch(math.MaxUint64) }
	s.signer = sign.New(sign.Config{View: cfg.Follower.View, Unsealer: vault, Logger: cfg.Log})
	s.keeper = keys.NewKeeper(keys.Config{Emit: s.emit, Vault: vault, Policy: cfg.keyPolicy(), Logger: cfg.Log})
	s.callers = authn.New(authn.Config{
		View: cfg.Follower.View, CatchUp: s.emit.Prove, Hash: s.hasher.Digest, Verify: s.signer.Verify, Now: cfg.Now,
	})
	s.guard = guard.New(guard.Config{
		Authn: s.callers, Emit: s.emit, Fresh: cfg.Follower.Fresh,
		Issuer: cfg.Issuer, Replica: cfg.Journal.Replica(), Log: cfg.Log,
	})
	s.people = personal.New(cfg.Erasable, vault, cfg.Master.Derive(personal.Purpose))
	s.passwords = password.New(password.Config{Worker: cfg.HashWorker, Log: cfg.Log})
	s.office = enroll.New(enroll.Config{Emit: s.emit, People: s.people, Passwords: s.passwords, Log: cfg.Log})
	s.tokens = s.tokenEndpoint()
	s.feed = revocations.New(revocations.Config{
		Authn: s.callers, Position: cfg.Follower.Position, Epoch: s.Epoch, First: cfg.Journal.First, Read: cfg.Journal.Read, Fresh: s.Fresh, Stopping: s.stopping,
		Sent: cfg.Metrics.FeedDelay,
	})
	s.thirdParties = authentications.New(authentications.Config{
		Authn: s.callers, Emit: s.emit, Repeats: s.repeats, Store: cfg.Erasable, Sealers: vault, Log: cfg.Log,
	})
	s.webhooks = s.webhooksEndpoint(vault)
	return s
}

func (s *Server) tokenEndpoint() *token.Endpoint {
	cfg := s.cfg
	logins := login.New(login.Config{
		Emit: s.emit, People: s.people, Passwords: s.passwords, Store: cfg.Erasable,
		Key: cfg.Master.Derive(login.Purpose), Log: cfg.Log,
	})
	return token.New(token.Config{
		Issuer: cfg.Issuer, Authn: s.callers, Emit: s.emit, Signer: s.signer, Logins: logins,
		Rotator: credential.NewRotator(cfg.Master.Derive(credential.RefreshPurpose)), EnsureKey: s.keeper.Ensure, Log: cfg.Log,
	})
}

// endpoints are those that need a fresh state: the list of mounts.
func (s *Server) endpoints() []mounter {
	callers, emitter, cursors, history, hash := s.callers, s.emit, s.cursors, s.past, s.hasher.Digest
	return []mounter{
		s.tokens,
		&introspect.Endpoint{Authn: callers, AsOf: history},
		&revoke.Endpoint{Authn: callers, Emit: emitter},
		&applications.Endpoint{Authn: callers, Emit: emitter, AsOf: history, Cursors: cursors, Repeats: s.repeats, Hash: hash},
		&services.Endpoint{Authn: callers, Emit: emitter, AsOf: history, Cursors: cursors, Repeats: s.repeats, Hash: hash},
		&users.Endpoint{Authn: callers, Emit: emitter, AsOf: history, Cursors: cursors, People: s.people, Office: s.office, Repeats: s.repeats},
		s.thirdParties,
		&userinfo.Endpoint{Authn: callers, Emit: emitter},
		&keys.Endpoint{Authn: callers, Keeper: s.keeper},
		&forwardauth.Endpoint{Guard: s.guard},
		&service.Endpoint{Guard: s.guard, Proxy: s.proxy},
		&scopes.Endpoint{Authn: callers, Emit: emitter},
		&usage.Endpoint{Authn: callers, Guard: s.guard},
		&past.Endpoint{Authn: callers, AsOf: history},
		s.feed,
		s.webhooks,
		audit.New(audit.Config{
			Authn: callers, Cursors: cursors, Position: s.cfg.Follower.Position, Epoch: s.Epoch, WaitFor: s.cfg.Follower.WaitFor,
			Begins: s.log.begins, Read: s.cfg.Journal.Read, Fresh: s.Fresh, Stopping: s.stopping,
		}),
		&transparency.Endpoint{Config: transparency.Config{
			Authn: callers, Notary: s.cfg.Notary, Position: s.cfg.Follower.Position, First: s.cfg.Journal.First, Read: s.cfg.Journal.Read,
		}},
		backups.New(backups.Config{
			Authn: callers, Now: s.cfg.Now, Fresh: s.Fresh, Stopping: s.stopping, Log: s.cfg.Log, Base: s.log.backupBase,
			Source: backup.Source{
				Last: s.cfg.Journal.Last, Read: s.cfg.Journal.Read, Store: s.cfg.Erasable, Master: s.cfg.Master, Sign: s.cfg.Notary.Sign,
			},
		}),
	}
}

func mount(g *echo.Group, endpoints ...mounter) {
	for _, e := range endpoints {
		e.Mount(g)
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
		GrantTypes:    grantTypes, Algorithms: algorithms, Cache: c.JWKSCache,
		Scopes: append(slices.Clone(command.ManagementScopes), command.ScopeOpenID),
	}
}
