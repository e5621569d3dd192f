package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/leader"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
)

// workshop is a log that nobody else uses and that may be changed. An embedded
// server syncs nothing there by itself: what is to be durable is made so at
// once, before it matters.
type workshop struct {
	*reading             // without a journal where archiving was broken off
	kept     replay.Kept // outside of the log
	name     string      // of the log, as a server's tree has it; empty: it is not known
	bar      *progressBar
}

// openWorkshop opens the log, and what a server kept outside of it.
func (c *archiveCmd) openWorkshop(ctx context.Context, p process) (*workshop, error) {
	s, log, err := c.openSite(ctx, p)
	if err != nil {
		return nil, err
	}
	if s.embedded != nil {
		if err := checkArchiving(c.Log.Data); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	r, err := readSite(ctx, s, log)
	if err != nil {
		return nil, err
	}
	w := &workshop{reading: r, bar: newProgressBar(p.Stderr)}
	if w.kept.Place, err = follow.Watermark(c.Log.stateDir()); err == nil {
		err = w.readTree(c.Log.treeDir())
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// openRuins opens a log whose archiving was broken off.
func (c *archiveCmd) openRuins(ctx context.Context, p process) (*workshop, error) {
	s, log, err := c.openSite(ctx, p)
	if err != nil {
		return nil, err
	}
	w := &workshop{reading: &reading{site: s, log: log}, bar: newProgressBar(p.Stderr)}
	if w.copies, err = copiesOf(ctx, s); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// openSite opens the site of a log. What goes wrong is told at the end, once.
func (c *archiveCmd) openSite(ctx context.Context, p process) (*site, *slog.Logger, error) {
	if c.Log.live() {
		log := newLogger(p.Stderr, c.General.LogLevel, c.General.LogFormat)
		s, err := openLive(ctx, &c.Log, log)
		if err == nil {
			s.patience = 0 // it writes
		}
		return s, log, err
	}
	if !holdsLog(c.Log.Data) {
		return nil, nil, &usageError{fmt.Errorf("there is no log in %s", c.Log.Data)}
	}
	if m, err := readMember(c.Log.Data); m != nil || err != nil {
		if err == nil {
			err = &usageError{fmt.Errorf("data directory %s belongs to a member of cluster %q, whose log is archived where its members run: give --cluster-name and --cluster-routes", c.Log.Data, m.Cluster)}
		}
		return nil, nil, err
	}
	stderr := io.Discard
	if slog.Level(c.General.LogLevel) <= slog.LevelDebug {
		stderr = p.Stderr
	}
	log := newLogger(stderr, c.General.LogLevel, c.General.LogFormat)
	dir, err := openDataDir(c.Log.Data)
	var inUse *inUseError
	if errors.As(err, &inUse) {
		inUse.URL = "" // nobody there can be asked to do it
	}
	if err != nil {
		return nil, nil, err
	}
	s := &site{dir: dir}
	if s.Master, err = loadMaster(&c.Log.logSettings); err == nil {
		s.embedded, err = (&embeddedNATS{dir: c.Log.Data, log: log, unsynced: true}).start()
	}
	if err == nil {
		s.Conn, err = s.embedded.connect()
	}
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, log, nil
}

// readTree takes the head and the name from the tree that a server kept.
func (w *workshop) readTree(dir string) error {
	t, err := tree.Load(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, tree.ErrDamaged):
		return nil
	case err != nil:
		return err
	}
	w.name = t.Origin()
	head, err := t.Head()
	if head.Size > 0 {
		w.kept.Heads = append(w.kept.Heads, head)
	}
	return errors.Join(err, t.Close())
}

func (w *workshop) config() journal.Config {
	return journal.Config{
		Conn: w.Conn, MACKey: w.Master.Derive(purposeMAC), Replica: events.NewID("r_"), Replicas: w.copies, Logger: w.log,
	}
}

// tell has the log know its archive, and returns where it does.
func (w *workshop) tell(ctx context.Context, s *survey, file archiveFile) (events.Position, error) {
	state := s.state.Hash()
	d := &events.LogArchived{
		From: s.first, Through: s.state.Position, Chain: s.state.Chain,
		Root: s.head.Root[:], State: state[:], SHA256: file.sum, Bytes: file.bytes,
	}
	subject, err := events.SubjectFor("", d)
	if err != nil {
		return 0, err
	}
	w.journal.SetSeen(func() events.Seen { return events.Seen{Position: s.end.Position, Chain: s.end.Chain} })
	now := time.Now().UTC().Truncate(time.Microsecond)
	return w.journal.Append(ctx, subject, &events.Event{ID: events.NewID("e_"), Time: now, Data: d})
}

// rollOver makes the log begin with a record.
func (w *workshop) rollOver(ctx context.Context, before, at journal.Cursor) error {
	r := journal.Rollover{Before: before, At: at, Progress: w.bar.at}
	if w.embedded != nil {
		r.Exclusive, r.Durable = true, w.durable
		if err := w.note(at.Position); err != nil {
			return err
		}
	}
	ctx, stop := w.whileRoom(ctx)
	defer stop()
	if err := journal.RollOver(ctx, w.config(), r); err != nil {
		return err
	}
	if err := follow.DropBases(ctx, w.Conn, at.Position); err != nil || w.embedded == nil {
		return err
	}
	if err := w.durable(ctx); err != nil {
		return err
	}
	return errors.Join(os.Remove(archivingFile(w.dir.path)), syncDir(w.dir.path))
}

// whileRoom ends a context when the embedded server finds its disk full: it
// does not answer then, and waiting for it is in vain.
func (w *workshop) whileRoom(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func() { cancel(nil) }
	if w.embedded == nil {
		return ctx, stop
	}
	go func(e *embeddedNATS) {
		look := time.NewTicker(roomRetry)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				if e.saidFull() {
					cancel(syscall.ENOSPC)
				}
			case <-ctx.Done():
				return
			}
		}
	}(w.embedded)
	return ctx, stop
}

// durable makes all of the store durable.
func (w *workshop) durable(ctx context.Context) error {
	if err := w.embedded.settle(); err != nil {
		return err
	}
	return w.connected(ctx)
}

// connected waits for the server that was started again.
func (w *workshop) connected(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for !w.Conn.IsConnected() || w.Conn.ConnectedServerId() != w.embedded.id() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// stored is how many bytes the log takes with its base, in one copy.
func (w *workshop) stored(ctx context.Context) (bytes int64, err error) {
	for _, stream := range []string{journal.StreamName, follow.BaseStream} {
		info, err := leader.Info(ctx, w.Conn, stream, "")
		var missing *jetstream.APIError
		if errors.As(err, &missing) && missing.ErrorCode == jetstream.JSErrCodeStreamNotFound {
			continue
		}
		if err != nil {
			return 0, err
		}
		bytes += int64(info.State.Bytes)
	}
	return bytes, nil
}

// close gives everything back, durably.
func (w *workshop) close() error {
	w.bar.clear()
	var errs []error
	if w.origin != nil {
		errs = append(errs, w.origin.Close())
	}
	if w.journal != nil {
		errs = append(errs, closeJournal(w.journal))
	}
	if w.embedded != nil {
		w.Conn.Close()
		w.embedded.stop()
		errs = append(errs, syncStore(storeDir(w.embedded.dir)))
		w.Conn, w.embedded = nil, nil
	}
	return errors.Join(append(errs, w.site.Close())...)
}
