package follow

import (
	"context"
	"errors"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
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
