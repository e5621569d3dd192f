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

// candidate is a state to begin with.
type candidate struct {
	position events.Position
	time     time.Time
	snapshot string // of those that a follower may start from; empty: it is kept here
}

// layered are the states kept that show nothing after a position (0: any) or a
// time (zero: any), the nearest first, and the position of the first one that
// shows something later than the time.
func (h *History) layered(position events.Position, until time.Time) (fit []candidate, later events.Position) {
	if h == nil {
		return nil, 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]candidate, len(h.kept))
	for i, k := range h.kept {
		all[i] = candidate{position: k.position, time: k.time}
	}
	return nearest(all, position, until)
}

// candidates are layered and the snapshots that a follower may start from.
func (h *History) candidates(position events.Position, until time.Time) (fit []candidate, later events.Position) {
	fit, later = h.layered(position, until)
	more, earliest := nearest(h.newest(), position, until)
	if later == 0 || earliest != 0 && earliest < later {
		later = earliest
	}
	return sorted(append(fit, more...)), later
}

func nearest(all []candidate, position events.Position, until time.Time) (fit []candidate, later events.Position) {
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
	return sorted(fit), later
}

func sorted(all []candidate) []candidate {
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.position, a.position) })
	return all
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
			found = append(found, candidate{head.Position, head.Time, name})
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

// unable reports that a log could not be asked, so that nothing is known to be
// wrong with a state.
func unable(ctx context.Context, err error) bool {
	return errors.Is(err, journal.ErrUnavailable) || ctx.Err() != nil
}

// Nearest returns a state to fold the log from: the last one kept that shows
// nothing after a position (0: any) and no event later than a time (zero: any),
// or the state before the first record. The state is the caller's.
//
// before is the position of a record by which the log is past that time, as far
// as the states tell; 0: they do not.
func (h *History) Nearest(ctx context.Context, log Log, position events.Position, until time.Time) (state *projections.State, before events.Position, err error) {
	if h == nil {
		return projections.New(), 0, nil
	}
	candidates, before := h.candidates(position, until)
	found, err := h.first(ctx, candidates, func(c candidate) (err error) {
		state, err = h.load(ctx, log, c)
		return err
	})
	if err == nil && !found {
		state = projections.New()
	}
	return state, before, err
}

// first tries candidates until one is good.
func (h *History) first(ctx context.Context, candidates []candidate, try func(candidate) error) (found bool, err error) {
	for _, c := range candidates {
		err := try(c)
		var archived *journal.ArchivedError
		switch {
		case err == nil:
			return true, nil
		case errors.As(err, &archived):
			return false, nil // so are those before
		case unable(ctx, err):
			return false, err
		}
		h.refuse(c, err)
	}
	return false, nil
}

// load reads a state and makes sure that the log shows the record that it ends
// with, after the log that it came from.
func (h *History) load(ctx context.Context, log Log, c candidate) (*projections.State, error) {
	if c.snapshot == "" {
		return h.together(ctx, log, c)
	}
	state, previous, err := readSnapshot(c.snapshot, filepath.Base(c.snapshot), h.key)
	if err != nil {
		return nil, err
	}
	if state.Position != c.position || state.Position == 0 || !state.Time.Equal(c.time) {
		return nil, fmt.Errorf("%w: it is of position %d", errSnapshot, state.Position)
	}
	return state, stands(ctx, log, journal.Cursor{Position: state.Position, Chain: state.Chain}, previous)
}

// stands makes sure that the log shows a state's last record behind the chain
// that was kept with it.
func stands(ctx context.Context, log Log, at journal.Cursor, previous events.Chain) error {
	before := journal.Cursor{Position: at.Position - 1, Chain: previous}
	foreign := fmt.Errorf("%w: position %d of the log holds another record", errSnapshot, at.Position)
	err := log.Read(ctx, before, at.Position, func(r *journal.Record) error {
		if r.Chain != at.Chain {
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
	if log.Read(ctx, before, at.Position, func(*journal.Record) error { return nil }) == nil {
		return foreign
	}
	return err
}
