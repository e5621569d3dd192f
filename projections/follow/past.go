package follow

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Past returns a state to replay the log from: the newest kept snapshot that
// shows nothing after a position (0: any) and no event later than a time (zero:
// any), or the state before the first record. The state is the caller's.
func (f *Follower) Past(position events.Position, until time.Time) *projections.State {
	if f.cfg.Dir == "" {
		return projections.New()
	}
	names, err := snapshotNames(f.cfg.Dir)
	if err != nil {
		f.log.Warn("snapshots cannot be listed; the log is replayed", "err", err)
	}
	for _, name := range names {
		if position != 0 && positionOf(name) > position {
			continue
		}
		// One that vanished meanwhile, or does not verify, is left to the next
		// start to remove.
		state, _, err := readSnapshot(name, filepath.Base(name), f.cfg.Key)
		if err != nil {
			f.log.Info("a snapshot of the past cannot be read", "file", filepath.Base(name), "err", err)
			continue
		}
		if until.IsZero() || !state.Time.After(until) {
			return state
		}
	}
	return projections.New()
}

// positionOf reads the position in a snapshot's name.
func positionOf(name string) (position events.Position) {
	if _, err := fmt.Sscanf(filepath.Base(name), nameFormat, &position); err != nil {
		return 0
	}
	return position
}
