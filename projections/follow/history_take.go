package follow

import (
	"context"
	"sync/atomic"

	"github.com/grantlog/grantlog/events/journal"
)

// historian is when a follower keeps states of the past.
type historian struct {
	due  chan struct{}
	read atomic.Int64 // bytes of the log since the last one
	seen seen         // since the last one; guarded by Follower.mu
}

// History is what this replica keeps of the past; nil if it has no directory.
func (f *Follower) History() *History { return f.history }

func (f *Follower) openHistory() {
	f.history = newHistory(f.cfg.Dir, f.cfg.Key, f.log)
	if f.cfg.HistoryBytes > 0 {
		f.history.spacing = f.cfg.HistoryBytes
	}
	if err := f.history.open(); err != nil {
		f.log.Warn("states of the past cannot be listed", "err", err)
	}
}

// remember is called for every record by the tail.
func (f *Follower) remember(r *journal.Record) {
	read := f.historian.read.Add(int64(r.Bytes))
	if f.isReady() && f.history.due(r.Position, read) {
		signal(f.historian.due)
	}
}

func (f *Follower) keepHistory(ctx context.Context) {
	for {
		select {
		case <-f.historian.due:
		case <-ctx.Done():
			return
		}
		if err := f.addToHistory(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("no state of the past was kept", "err", err)
		}
	}
}

// addToHistory keeps the state as it is now.
func (f *Follower) addToHistory(ctx context.Context) error {
	if err := f.trusted(); err != nil {
		return err
	}
	f.snapshots.one.Lock() // two must not freeze the state at once
	f.mu.RLock()           // the tail writes what was seen while it applies
	frozen, at, said := f.state.Freeze(), f.applied.Load(), f.historian.seen
	f.historian.seen = seen{}
	f.mu.RUnlock()
	f.snapshots.one.Unlock()
	return f.history.keep(ctx, f.cfg.Journal, taken{frozen, at.previous, f.historian.read.Swap(0), said})
}
