package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantlog/grantlog/cmd/grantlog/seedfile"
	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/handlers"
	"github.com/grantlog/grantlog/handlers/bootstrap"
	"github.com/grantlog/grantlog/handlers/metrics"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/projections/notary"
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
	notary   *notary.Notary
	erasable *erasable.Store
	listener net.Listener
	web      *http.Server
	served   chan error // gets the end of web
	face     face
	metrics  *metrics.Metrics                // nil: nobody asked for them
	meter    *http.Server                    // of the metrics
	server   atomic.Pointer[handlers.Server] // nil while the log is opened
}

// startReplica takes the HTTP address, on which it says that it is not ready,
// opens the log and begins to follow it. In a cluster that takes until enough
// members are there.
func startReplica(ctx context.Context, set *serveSettings, s *site, log *slog.Logger) (r *replica, err error) {
	r = &replica{set: set, log: log, site: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	copies := logReplicas(set.LogReplicas, s.Conn)
	if r.listener, err = net.Listen("tcp", string(set.Listen)); err != nil {
		return r, err
	}
	r.serve(handlers.Starting(log, copies, nil))
	if err = r.startMetrics(); err != nil {
		return r, err
	}
	if err = r.awaitLog(ctx, copies); err != nil {
		return r, err
	}
	if err = r.openTree(); err != nil {
		return r, err
	}
	server, err := handlers.New(handlers.Config{
		Journal: r.journal, Follower: r.follower, Notary: r.notary, Erasable: r.erasable, Master: s.Master,
		Issuer: set.issuer(r.listener.Addr()), TrustedProxies: set.TrustedProxies, LogReplicas: copies,
		JWKSCache: set.JWKSCache, MaxStaleness: set.MaxStaleness, KeyRotation: set.KeyRotation, WebhookGiveUp: set.WebhookGiveUp,
		HashWorker: hashWorker(), Metrics: r.metrics, Tracing: r.site.traces, Now: time.Now, Log: log,
	})
	if err != nil {
		return r, err
	}
	r.server.Store(server)
	r.face.show(server.Handler())
	return r, nil
}

// openLog opens the log and begins to follow it.
func (r *replica) openLog(ctx context.Context, copies int) (err error) {
	if r.journal == nil {
		if r.journal, err = r.site.openJournal(ctx, events.NewID("r_"), copies, r.log); err != nil {
			return err
		}
	}
	if err = checkMaster(ctx, r.journal); err != nil {
		return err
	}
	if r.erasable, err = erasable.Open(ctx, erasable.Config{Conn: r.site.Conn, Replicas: copies, Logger: r.log}); err != nil {
		return err
	}
	var depot *follow.Depot // a single server has nobody to leave a snapshot for
	if !r.site.embedded.single() {
		if depot, err = follow.NewDepot(r.site.Conn, copies); err != nil {
			return err
		}
	}
	r.follower, err = follow.Start(ctx, follow.Config{
		Journal: r.journal, Dir: r.set.Log.stateDir(), Key: r.site.Master.Derive(follow.KeyPurpose), Depot: depot, DepotEvery: r.set.SnapshotInterval,
		MaxStaleness: r.set.MaxStaleness, Single: r.site.embedded.single(), Logger: r.log, OnApply: []func(*journal.Record){r.applied},
		OpenBase: r.site.openBase,
	})
	if err == nil && r.metrics != nil {
		r.metrics.Follow(r.follower.Status)
	}
	return err
}

// openTree opens the Merkle tree over the log, which grows once the server runs.
func (r *replica) openTree() error {
	signer, err := tree.NewSigner(tree.Origin(r.set.issuer(r.listener.Addr())), r.site.Master.Derive(tree.Purpose))
	if err != nil {
		return err
	}
	r.notary, err = notary.New(notary.Config{
		Read: r.journal.Read, Base: r.layBase, At: r.follower.At, Dir: r.set.Log.treeDir(), Signer: signer, Logger: r.log,
	})
	return err
}

// layBase lays the tree over what was archived of the log into a directory.
func (r *replica) layBase(ctx context.Context, dir string) error {
	base, err := r.follower.Base(ctx)
	if err == nil && base == nil {
		err = errors.New("the log begins with its first record")
	}
	if err != nil {
		return err
	}
	return base.Tree(ctx, dir)
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
	first := j.First()
	err = j.Read(ctx, journal.Cursor{Position: first - 1}, first, func(*journal.Record) error { return nil })
	var damage *journal.DamageError
	if errors.As(err, &damage) {
		return errors.New("the master key is not the one that this log was written with (or the log's first record is damaged): " +
			"give the right one with --master-key-file or GRANTLOG_MASTER_KEY")
	}
	return err
}

// run answers until ctx ends: 503 until the replica has caught up with the log
// and the log holds what it must, then everything. A log that is damaged keeps
// it at 503, from where it returns by itself when the log is whole.
func (r *replica) run(ctx context.Context, seed *seedfile.Seed) error {
	// Neither requests nor background work end with ctx: they are drained.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	server := r.server.Load()
	var work sync.WaitGroup
	defer func() { stop(); work.Wait() }()
	prepared := make(chan error, 1)
	work.Go(func() { prepared <- r.prepare(ctx, seed) })
	for {
		select {
		case err := <-r.served:
			return fmt.Errorf("HTTP server: %w", err)
		case err := <-prepared:
			if ctx.Err() == nil && err != nil {
				return errors.Join(err, r.web.Close())
			}
			if err == nil {
				work.Go(func() { server.Run(background) })
				server.Open()
				if err := r.site.Announce(r.url()); err != nil {
					return errors.Join(err, r.web.Close())
				}
				r.log.Info("grantlog serves", "url", r.url(), "issuer", r.set.issuer(r.listener.Addr()), "position", r.follower.Position())
			}
		case <-ctx.Done():
			return r.drain()
		}
	}
}

func (r *replica) url() string { return "http://" + r.listener.Addr().String() }

// serve answers on the HTTP address with the face of the day, the given one at
// first.
func (r *replica) serve(first http.Handler) {
	r.face.show(first)
	r.web = &http.Server{
		Handler:           &r.face,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	r.served = make(chan error, 1)
	go func() { r.served <- r.web.Serve(r.listener) }()
}

// prepare waits for the log's end and makes what the log must hold before the
// first answer: keys, the administrator and the seed.
func (r *replica) prepare(ctx context.Context, seed *seedfile.Seed) error {
	if err := r.follower.WaitReady(ctx); err != nil {
		return err
	}
	return whenReachable(ctx, r.site.embedded.single(), func() error { return r.found(ctx, seed) })
}

// found makes what is missing. Done once more, it goes on where it ended.
func (r *replica) found(ctx context.Context, seed *seedfile.Seed) error {
	server := r.server.Load()
	if err := server.Prepare(ctx); err != nil {
		return err
	}
	boot := bootstrap.Config{Emit: server.Emitter(), Hash: server.Hash().Digest, Office: server.Office(), Log: r.log}
	if err := bootstrap.Admin(ctx, boot, r.set.adminFile()); err != nil {
		return err
	}
	if len(seed.Organizations) == 0 {
		return nil
	}
	if err := bootstrap.Seed(ctx, boot, seeded(seed)); err != nil {
		return err
	}
	return seedProviders(ctx, server, seed)
}

// drain lets requests in flight finish.
func (r *replica) drain() error {
	r.log.Info("grantlog stops")
	r.server.Load().Stopping()
	return r.finish(drainTimeout)
}

// finish closes the HTTP address after the requests that are in flight. Those
// that take longer are cut off, which is no failure of the stop.
func (r *replica) finish(atMost time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	r.face.finish(ctx)
	err := r.web.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		r.log.Warn("requests that were still in flight are cut off", "after", atMost)
		err = r.web.Close()
	}
	return err
}

// close gives back what startReplica took, the log last.
func (r *replica) close() error {
	var errs []error
	if r.meter != nil {
		errs = append(errs, r.meter.Close())
	}
	if r.web != nil {
		errs = append(errs, r.web.Close()) // closed already, unless the start failed
	}
	if r.follower != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		errs = append(errs, r.follower.Close(ctx))
	}
	if r.notary != nil {
		errs = append(errs, r.notary.Close())
	}
	if r.journal != nil {
		if err := closeJournal(r.journal); r.site.embedded.single() {
			errs = append(errs, err)
		} else if err != nil {
			// The rest of the cluster is gone first. Whoever waits was told.
			r.log.Warn("the log did not answer at the end", "error", err)
		}
	}
	return errors.Join(errs...)
}
