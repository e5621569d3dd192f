package handlers

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
	"github.com/grantlog/grantlog/replay/backup"
)

// beginning is the log with what it begins with: that changes when a part of it
// is archived while this replica runs.
type beginning struct {
	*journal.Journal
	follower *follow.Follower

	mu    sync.Mutex // guards what follows
	based *replay.Based
}

// openTimeout bounds how long the base may take to be found.
const openTimeout = 5 * time.Second

// base returns the origin of the log; nil: it begins with its first record.
func (b *beginning) base(ctx context.Context) (*replay.Based, error) {
	base, err := b.follower.Base(ctx)
	if err != nil || base == nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.based == nil || b.based.Base != base {
		b.based = replay.NewBased(base)
	}
	return b.based, nil
}

// Origin is what package replay asks for.
func (b *beginning) Origin() replay.Origin {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	based, err := b.base(ctx)
	switch {
	case err != nil:
		return lost{b.First(), err}
	case based == nil:
		return nil
	}
	return based
}

// begins tells the first record of the log and, where what is before was
// archived, the log's own clock there.
func (b *beginning) begins(ctx context.Context) (first events.Position, began time.Time, err error) {
	based, err := b.base(ctx)
	if err != nil || based == nil {
		return 1, began, err
	}
	began, err = based.Time(ctx)
	return based.Cursor().Position, began, err
}

// state is what the log begins with.
func (b *beginning) state(ctx context.Context) (*projections.State, error) {
	based, err := b.base(ctx)
	switch {
	case err != nil:
		return nil, err
	case based == nil:
		return projections.New(), nil
	}
	return based.State(ctx)
}

// backupBase is what a backup holds of it.
func (b *beginning) backupBase(ctx context.Context) (*backup.Base, error) {
	based, err := b.base(ctx)
	if err != nil || based == nil {
		return nil, err
	}
	own := replay.NewBased(based.Base) // its tree is needed here only
	base, err := backup.BaseOf(ctx, own)
	return base, errors.Join(err, own.Close())
}

// lost is the origin of a log whose base is not to be had.
type lost struct {
	first events.Position
	err   error
}

func (l lost) Cursor() journal.Cursor                            { return journal.Cursor{Position: l.first} }
func (l lost) Previous() events.Chain                            { return events.Chain{} }
func (l lost) State(context.Context) (*projections.State, error) { return nil, l.err }
func (l lost) Time(context.Context) (time.Time, error)           { return time.Time{}, l.err }
func (l lost) Edge(context.Context) (tree.Edge, error)           { return tree.Edge{}, l.err }
func (l lost) Head(context.Context, int64) (tree.Head, error)    { return tree.Head{}, l.err }
