package follow

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// joined is how the name of a file ends that came from the depot, until the
// log has shown that it is the log's.
const joined = ".joined.tmp"

// join returns the newest state of the depot that verifies, and the chain
// before its last record; nil if there is none. From then on it is like one of
// this replica's own: a log that ends before it was shortened, and one that has
// another record there was altered.
func (f *Follower) join(ctx context.Context) (*projections.State, events.Chain) {
	all, err := f.cfg.Depot.list(ctx)
	if err != nil {
		f.log.Warn("the snapshots in the object store cannot be listed; the log is replayed", "err", err)
	}
	for _, info := range all {
		began, file := time.Now(), filepath.Join(f.cfg.Dir, info.Name+joined)
		if err := f.cfg.Depot.fetch(ctx, info, file); err != nil {
			f.log.Warn("a snapshot in the object store cannot be read", "name", info.Name, "err", err)
			continue
		}
		state, previous, err := readSnapshot(file, info.Name, f.cfg.Key)
		if err == nil {
			f.joined = file
			f.log.Info("snapshot fetched", "position", state.Position, "bytes", info.Size, "took", time.Since(began))
			return state, previous
		}
		f.log.Warn("a snapshot in the object store does not verify and is dropped", "name", info.Name, "err", err)
		if err := os.Remove(file); err != nil {
			f.log.Warn("it cannot be removed", "err", err)
		}
	}
	if len(all) > 0 {
		f.log.Warn("no snapshot in the object store is of use; the log is replayed")
	}
	return nil, events.Chain{}
}

// adopt makes what came from the depot a snapshot of this replica's own.
func (f *Follower) adopt() {
	if f.joined == "" {
		return
	}
	if err := os.Rename(f.joined, strings.TrimSuffix(f.joined, joined)); err != nil {
		f.log.Warn("the snapshot of the object store is not kept", "err", err)
		f.snapshots.saved.Store(0)
	}
}

// supply keeps the depot supplied. Each replica looks from time to time, at
// moments that are its own, and puts its newest snapshot there if nobody else
// was faster.
func (f *Follower) supply(ctx context.Context) {
	for {
		every := f.cfg.DepotEvery
		select {
		case <-time.After(every/2 + rand.N(every)):
		case <-ctx.Done():
			return
		}
		if err := f.supplyOnce(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("no snapshot was put into the object store", "err", err)
		}
	}
}

func (f *Follower) supplyOnce(ctx context.Context) error {
	saved := events.Position(f.snapshots.saved.Load())
	if saved == 0 || f.trusted() != nil {
		return nil
	}
	last := events.Position(f.last.Load())
	all, err := f.cfg.Depot.list(ctx)
	if err != nil {
		return err
	}
	for _, info := range all {
		at := positionOf(info.Name)
		if at <= last && (at >= saved || time.Since(info.ModTime) < f.cfg.DepotEvery) {
			return nil
		}
	}
	began := time.Now()
	if err := f.cfg.Depot.put(ctx, filepath.Join(f.cfg.Dir, fmt.Sprintf(nameFormat, saved)), last); err != nil {
		return err
	}
	f.log.Info("snapshot put into the object store", "position", saved, "took", time.Since(began))
	return nil
}
