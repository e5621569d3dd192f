package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/grantlog/grantlog/cmd/grantlog/seedfile"
	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers"
	"github.com/grantlog/grantlog/handlers/bootstrap"
	"github.com/grantlog/grantlog/projections/follow"
)

const (
	drainTimeout = 20 * time.Second // for requests in flight when the server is told to stop

	// Slow clients may not hold a connection for ever.
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// replica is a running server: the log, the state that follows it, and HTTP.
type replica struct {
	set      *serveSettings
	log      *slog.Logger
	site     *site
	journal  *journal.Journal
	follower *follow.Follower
	listener net.Listener
	server   atomic.Pointer[handlers.Server] // nil while the log is opened
}

// startReplica opens the log, catches up with it and takes the HTTP address,
// on which nothing is answered yet.
func startReplica(ctx context.Context, set *serveSettings, s *site, log *slog.Logger) (r *replica, err error) {
	r = &replica{set: set, log: log, site: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	copies := logReplicas(set.LogReplicas, s.Conn)
	if r.journal, err = openJournal(ctx, s, events.NewID("r_"), copies, log); err != nil {
		return r, err
	}
	if err = checkMaster(ctx, r.journal); err != nil {
		return r, err
	}
	if r.follower, err = follow.Start(ctx, follow.Config{
		Journal: r.journal, Dir: set.Log.stateDir(), MaxStaleness: set.MaxStaleness,
		Single: s.embedded != nil, Logger: log, OnApply: []func(*journal.Record){r.applied},
	}); err != nil {
		return r, err
	}
	if err = r.follower.WaitReady(ctx); err != nil {
		return r, err
	}
	if r.listener, err = net.Listen("tcp", string(set.Listen)); err != nil {
		return r, err
	}
	server, err := handlers.New(handlers.Config{
		Journal: r.journal, Follower: r.follower, Master: s.Master,
		Issuer: set.issuer(r.listener.Addr()), TrustedProxies: set.TrustedProxies, LogReplicas: copies,
		JWKSCache: set.JWKSCache, MaxStaleness: set.MaxStaleness, KeyRotation: set.KeyRotation,
		Now: time.Now, Log: log,
	})
	r.server.Store(server)
	return r, err
}

// applied passes on what the follower applied, once there is a server.
func (r *replica) applied(rec *journal.Record) {
	if server := r.server.Load(); server != nil {
		server.Applied(rec)
	}
}

// checkMaster reads the first record of the log: with another master key than
// the log's, none of them can be authenticated.
func checkMaster(ctx context.Context, j *journal.Journal) error {
	last, err := j.Last(ctx)
	if err != nil || last == 0 {
		return err
	}
	err = j.Read(ctx, journal.Cursor{}, 1, func(*journal.Record) error { return nil })
	var damage *journal.DamageError
	if errors.As(err, &damage) {
		return errors.New("the master key is not the one that this log was written with (or the log's first record is damaged): " +
			"give the right one with --master-key-file or GRANTLOG_MASTER_KEY")
	}
	return err
}

// prepare makes what the log must hold before the first answer: keys, the
// administrator and the seed.
func (r *replica) prepare(ctx context.Context, seed *seedfile.Seed) error {
	server := r.server.Load()
	if err := server.Prepare(ctx); err != nil {
		return err
	}
	boot := bootstrap.Config{Emit: server.Emitter(), Hash: server.Hash().Digest, Log: r.log}
	if err := bootstrap.Admin(ctx, boot, r.set.adminFile()); err != nil {
		return err
	}
	if len(seed.Organizations) == 0 {
		return nil
	}
	return bootstrap.Seed(ctx, boot, seeded(seed))
}

// answer serves until ctx ends, then lets requests in flight finish.
func (r *replica) answer(ctx context.Context) error {
	server := r.server.Load()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); server.Run(background) }()
	defer func() { stop(); <-done }()

	// Requests do not end with ctx: they are drained.
	s := &http.Server{
		Handler:           server.Handler(),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(r.listener) }()
	url := "http://" + r.listener.Addr().String()
	if err := r.site.Announce(url); err != nil {
		return err
	}
	r.log.Info("grantlog serves", "url", url, "issuer", r.set.issuer(r.listener.Addr()), "position", r.follower.Position())
	select {
	case err := <-failed:
		return fmt.Errorf("HTTP server: %w", err)
	case <-ctx.Done():
	}
	r.log.Info("grantlog stops")
	server.Stopping()
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := s.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("requests were still in flight after %v", drainTimeout), s.Close())
	}
	return nil
}

// close gives back what startReplica took, the log last.
func (r *replica) close() error {
	var errs []error
	if r.listener != nil {
		// Already closed, unless the start failed.
		if err := r.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if r.follower != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		errs = append(errs, r.follower.Close(ctx))
	}
	if r.journal != nil {
		errs = append(errs, closeJournal(r.journal))
	}
	return errors.Join(errs...)
}
