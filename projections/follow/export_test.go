package follow

import (
	"context"
	"errors"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// Waiting counts the calls of WaitFor that wait.
func Waiting(f *Follower) (n int) {
	f.waiters.mu.Lock()
	defer f.waiters.mu.Unlock()
	for _, w := range f.waiters.at {
		n += w.count
	}
	return n
}

// PretendApplied makes the follower believe that it was further than the log.
func PretendApplied(f *Follower, position events.Position) {
	f.applied.Store(&mark{Cursor: journal.Cursor{Position: position}})
}

// SupplyOnce is a replica's turn to look at the depot.
func SupplyOnce(f *Follower) error { return f.supplyOnce(context.Background()) }

// Put copies a file into the depot.
func Put(ctx context.Context, d *Depot, file string) error { return d.put(ctx, file, 1<<60) }

// Fetch copies the newest snapshot of the depot into a file.
func Fetch(ctx context.Context, d *Depot, file string) error {
	all, err := d.list(ctx)
	if err != nil || len(all) == 0 {
		return errors.Join(err, errors.New("there is none"))
	}
	return d.fetch(ctx, all[0], file)
}

// Limit changes how many states a History keeps.
func (h *History) Limit(files int, bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.maxFiles, h.maxBytes = files, bytes
}

// Every changes how much of the log lies between two of them. Nobody may follow
// the log meanwhile.
func (h *History) Every(bytes int64) { h.spacing = bytes }

// Kept lists the positions of the states, and how much of the log each stands
// for.
func (h *History) Kept() (positions []events.Position, read []int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.kept {
		positions, read = append(positions, k.position), append(read, k.read)
	}
	return positions, read
}

// Forget is told that the log begins with a position.
func (h *History) Forget(first events.Position) { h.forget(first) }

// Keep keeps a state.
func (h *History) Keep(ctx context.Context, log Log, s *projections.State, read int64) error {
	return h.keep(ctx, log, taken{state: s.Freeze(), read: read})
}

// Elapsed is how old a proof is whose age the two clocks tell.
func Elapsed(clock, wall time.Duration) time.Duration {
	now := time.Now()
	return moment{now, now}.until(moment{now.Add(clock), now.Add(wall)})
}
