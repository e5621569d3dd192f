package follow

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantlog/grantlog/events/journal"
)

// snapshotter is when snapshots are taken: after so much of the log that
// writing them costs little beside it, and reading the rest of the log no more
// than reading the snapshot.
type snapshotter struct {
	one   sync.Mutex // held while one is taken
	due   chan struct{}
	saved atomic.Uint64 // position of the newest
	read  atomic.Int64  // bytes of the log since the newest was begun
	size  atomic.Int64  // bytes of the newest that was written by this process
}

// account is called for every record by the tail.
func (f *Follower) account(r *journal.Record) {
	if f.cfg.Dir == "" {
		return
	}
	f.snapshots.read.Add(int64(r.Bytes))
	f.remember(r)
	if f.isReady() {
		f.keep()
	}
}

// keep has written what is due.
func (f *Follower) keep() {
	signal(f.watermark.moved)
	if f.snapshots.read.Load() >= max(f.cfg.SnapshotBytes, f.snapshots.size.Load()) {
		signal(f.snapshots.due)
	}
}

// signal leaves a note for a goroutine that may be busy.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (f *Follower) takeSnapshots(ctx context.Context) {
	for {
		select {
		case <-f.snapshots.due:
		case <-ctx.Done():
			return
		}
		if err := f.Snapshot(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("no snapshot was taken", "err", err)
		}
	}
}

// Snapshot writes the state to Dir, if there is one, unless the newest
// snapshot shows it already. Readers and the tail go on meanwhile. It returns
// ErrDamaged or ErrNotReady for a state that is not known to be the log's.
func (f *Follower) Snapshot(ctx context.Context) error {
	if f.cfg.Dir == "" {
		return nil
	}
	if err := f.trusted(); err != nil {
		return err
	}
	s := &f.snapshots
	s.one.Lock()
	defer s.one.Unlock()

	f.mu.RLock() // keeps the tail from applying; readers go on
	frozen, at := f.state.Freeze(), f.applied.Load()
	f.mu.RUnlock()
	if uint64(frozen.Position) == s.saved.Load() {
		return nil
	}
	s.read.Store(0)
	began := time.Now()
	size, err := saveSnapshot(ctx, f.cfg.Dir, f.cfg.Key, frozen, at.previous)
	if err != nil {
		return err
	}
	s.size.Store(size)
	s.saved.Store(uint64(frozen.Position))
	f.log.Info("snapshot taken", "position", frozen.Position, "bytes", size, "took", time.Since(began))
	return dropSnapshots(f.cfg.Dir, keptSnapshots)
}

// trusted tells why not to keep what was applied: a log that was altered below
// the watermark shows it only when the watermark is met.
func (f *Follower) trusted() error {
	if d := f.damage.Load(); d != nil {
		return d.err
	}
	if !f.isReady() {
		return ErrNotReady
	}
	return nil
}

func (f *Follower) isReady() bool {
	select {
	case <-f.ready:
		return true
	default:
		return false
	}
}
