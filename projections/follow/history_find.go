package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// candidate is a snapshot to begin with.
type candidate struct {
	position events.Position
	time     time.Time
	path     string
	name     string // that it is sealed for
}

// candidates are the snapshots that show nothing after a position or a time, the
// nearest first, and the position of the first one that shows something later
// than the time.
func (h *History) candidates(position events.Position, until time.Time) (fit []candidate, later events.Position) {
	h.mu.Lock()
	all := make([]candidate, 0, len(h.kept)+keptSnapshots)
	for _, k := range h.kept {
		all = append(all, candidate{k.position, k.time, h.path(k), k.sealed()})
	}
	h.mu.Unlock()
	all = append(all, h.newest()...)
	for _, c := range all {
		switch {
		case position != 0 && c.position > position:
		case !until.IsZero() && c.time.After(until):
			if later == 0 || c.position < later {
				later = c.position
			}
		default:
			fit = append(fit, c)
		}
	}
	slices.SortFunc(fit, func(a, b candidate) int { return cmp.Compare(b.position, a.position) })
	return fit, later
}

// newest are those that a follower may start from.
func (h *History) newest() (found []candidate) {
	names, err := snapshotNames(h.dir)
	if err != nil {
		h.log.Warn("snapshots cannot be listed", "err", err)
	}
	for _, name := range names {
		// One that vanished meanwhile, or cannot be read, is not needed.
		if head, err := readHead(name, filepath.Base(name), h.key); err == nil {
			found = append(found, candidate{head.Position, head.Time, name, filepath.Base(name)})
		}
	}
	return found
}

// readHead reads where the state of a snapshot file stands.
func readHead(path, name string, key []byte) (*projections.State, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	_, state, err := openSnapshot(file, name, key)
	if err != nil {
		return nil, err
	}
	return projections.DecodeHead(state)
}

// load reads the snapshot and makes sure that the log shows the record that it
// ends with, after the log that it came from.
func (c candidate) load(ctx context.Context, log Log, key []byte) (*projections.State, error) {
	state, previous, err := readSnapshot(c.path, c.name, key)
	if err != nil {
		return nil, err
	}
	if state.Position != c.position || state.Position == 0 || !state.Time.Equal(c.time) {
		return nil, fmt.Errorf("%w: it is of position %d", errSnapshot, state.Position)
	}
	return state, stands(ctx, log, state, previous)
}

// stands makes sure that the log shows a state's last record behind the chain
// that was kept with it.
func stands(ctx context.Context, log Log, state *projections.State, previous events.Chain) error {
	before := journal.Cursor{Position: state.Position - 1, Chain: previous}
	foreign := fmt.Errorf("%w: position %d of the log holds another record", errSnapshot, state.Position)
	err := log.Read(ctx, before, state.Position, func(r *journal.Record) error {
		if r.Chain != state.Chain {
			return foreign
		}
		return nil
	})
	var damage *journal.DamageError
	if !errors.As(err, &damage) {
		return err
	}
	// What the record's writer had seen was another log than the state's,
	// unless the record itself is damaged.
	before.Chain = events.Chain{}
	if log.Read(ctx, before, state.Position, func(*journal.Record) error { return nil }) == nil {
		return foreign
	}
	return err
}
