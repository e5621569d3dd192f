package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
)

// reasonRestored is why tokens ended that a backup shows live.
const reasonRestored = "log_restored"

// newEpoch makes the id of an epoch: 40 random bits tell the few restorations
// of one log apart.
func newEpoch() string { return strings.ToLower(rand.Text()[:8]) }

// restoringDir is where a log is made until it is whole.
func restoringDir(data string) string { return filepath.Join(data, "restoring") }

// toData restores to a data directory: beside the place where the log belongs,
// which it takes when it is whole and on disk.
func (c *restoreCmd) toData(ctx context.Context, p process, r *restoration) (err error) {
	dir, err := openDataDir(c.Log.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	for _, path := range []string{storeDir(c.Log.Data), c.Log.stateDir(), memberFile(c.Log.Data)} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return &usageError{fmt.Errorf("%s is there already: restore to a directory that holds nothing but the master key", path)}
		}
	}
	making := restoringDir(c.Log.Data)
	if err := os.RemoveAll(making); err != nil { // of a restoration that was killed
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(making)) }()
	if err := makeDir(making); err != nil {
		return err
	}
	if err := r.make(ctx, making, newLogger(p.Stderr, c.quiet(), c.General.LogFormat)); err != nil {
		return err
	}
	if err := syncTree(making); err != nil {
		return err
	}
	if err := os.Rename(storeDir(making), storeDir(c.Log.Data)); err != nil {
		return err
	}
	return syncDir(c.Log.Data)
}

// make fills a directory with the store of an embedded NATS.
func (r *restoration) make(ctx context.Context, dir string, log *slog.Logger) error {
	e, err := (&embeddedNATS{dir: dir, log: log, unsynced: true}).start()
	if err != nil {
		return err
	}
	defer e.stop()
	conn, err := e.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	return r.fill(ctx, conn, 1, log)
}

// toServers restores to an external NATS, or to a cluster of grantlog's own
// servers.
func (c *restoreCmd) toServers(ctx context.Context, p process, r *restoration) (err error) {
	log := newLogger(p.Stderr, c.quiet(), c.General.LogFormat)
	s, err := openLive(ctx, &c.Log, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	copies := logReplicas(c.LogReplicas, s.Conn)
	if err := c.clear(ctx, r.config(s.Conn, copies, log)); err != nil {
		return err
	}
	js, err := jetstream.New(s.Conn)
	if err != nil {
		return err
	}
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if strings.Contains(strings.ToLower(name), "grantlog") {
			return &usageError{fmt.Errorf("stream %s is there already: restore to where there is no log", name)}
		}
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("the streams cannot be listed: %w", err)
	}
	return r.fill(ctx, s.Conn, copies, log)
}

// clear removes what is left of a restoration that was broken off, if that is
// asked for.
func (c *restoreCmd) clear(ctx context.Context, cfg journal.Config) error {
	restoring, err := journal.Restoring(ctx, cfg)
	switch {
	case err != nil || !restoring:
		return err
	case !c.Anew:
		return &usageError{errors.New("a log is being restored there, or that was broken off; if so, do it again with --anew")}
	}
	return journal.Abandon(ctx, cfg, func() error {
		store, err := erasable.Open(ctx, erasable.Config{Conn: cfg.Conn, Replicas: cfg.Replicas, Logger: cfg.Logger, Existing: true})
		if err == nil {
			err = store.Remove(ctx)
		}
		if errors.Is(err, erasable.ErrNotFound) {
			err = nil
		}
		return errors.Join(err, removeBase(ctx, cfg.Conn))
	})
}

func (r *restoration) config(conn *nats.Conn, copies int, log *slog.Logger) journal.Config {
	return journal.Config{
		Conn: conn, MACKey: r.master.Derive(purposeMAC), Replica: events.NewID("r_"), Replicas: copies, Logger: log,
	}
}

// quiet is the log level of a command that tells at the end what went wrong.
func (c *restoreCmd) quiet() logLevel {
	if slog.Level(c.General.LogLevel) > slog.LevelDebug {
		return logLevel(slog.LevelError + 1)
	}
	return c.General.LogLevel
}

// fill makes the log and what stands beside it. Where that fails, neither is
// left.
func (r *restoration) fill(ctx context.Context, conn *nats.Conn, copies int, log *slog.Logger) error {
	first := r.log.Manifest().First
	return journal.Restore(ctx, r.config(conn, copies, log), max(1, first), func(into *journal.Restoration) error {
		var err error
		if first > 1 {
			err = follow.PutBase(ctx, conn, copies, first, r.log.CopyBase)
		}
		if err == nil {
			err = r.records.Read(ctx, replay.Before(r.records), r.log.Manifest().Position, func(record *journal.Record) error {
				return into.Put(ctx, record)
			})
		}
		if err == nil {
			err = r.begin(ctx, into)
		}
		if err == nil {
			err = r.fillStore(ctx, erasable.Config{Conn: conn, Replicas: copies, Logger: log})
		}
		if err != nil && first > 1 {
			err = errors.Join(err, removeBase(context.WithoutCancel(ctx), conn))
		}
		return err
	})
}

// fillStore makes what stands beside the log.
func (r *restoration) fillStore(ctx context.Context, cfg erasable.Config) error {
	store, err := erasable.Open(ctx, cfg)
	if err != nil {
		return err
	}
	err = r.keys.Entries(func(e erasable.Entry) error {
		r.count++
		return store.Put(ctx, e.Key, e.Value)
	})
	if err != nil {
		err = errors.Join(err, store.Remove(context.WithoutCancel(ctx)))
	}
	return err
}

// removeBase removes what a log was to begin with that is not made.
func removeBase(ctx context.Context, conn *nats.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	js, err := jetstream.New(conn)
	if err == nil {
		err = js.DeleteObjectStore(ctx, follow.BaseBucket)
	}
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		err = nil
	}
	return err
}

// begin appends the events with which the restored log goes on.
func (r *restoration) begin(ctx context.Context, into *journal.Restoration) (err error) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	tell := func(organization string, d events.Data) error {
		subject, err := events.SubjectFor(organization, d)
		if err != nil {
			return err
		}
		r.last, err = into.Append(ctx, subject, &events.Event{ID: events.NewID("e_"), Time: now, Organization: organization, Data: d})
		return err
	}
	if err := tell("", &events.LogRestored{ID: r.epoch, From: r.log.Manifest().Position, TokensKept: r.kept}); err != nil || r.kept {
		return err
	}
	for _, organization := range r.state.Organizations.IDs() {
		if err := tell(organization, &events.OrganizationTokensRevoked{ID: organization, Reason: reasonRestored}); err != nil {
			return err
		}
	}
	return nil
}

// syncTree makes everything in a directory durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return syncDir(path) // a file is synced as a directory is
	})
}
