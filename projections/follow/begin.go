package follow

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// Base returns what the log begins with, if its beginning was archived; nil: it
// begins with its first record. The error is ErrNoBase if there is none that the
// log continues, and otherwise journal.ErrUnavailable or the cause of ctx.
func (f *Follower) Base(ctx context.Context) (*Base, error) {
	first := f.cfg.Journal.First()
	if first == 1 {
		return nil, nil
	}
	if base := f.base.Load(); base != nil && base.at.Position == first {
		return base, nil
	}
	if f.cfg.OpenBase == nil {
		return nil, fmt.Errorf("%w (it begins at position %d)", ErrNoBase, first)
	}
	base, err := f.cfg.OpenBase(ctx, first)
	if err == nil {
		err = continues(ctx, f.cfg.Journal, base)
	}
	if err != nil {
		return nil, err
	}
	f.base.Store(base)
	return base, nil
}

// continues makes sure that a log begins with the record that its base ends
// with.
func continues(ctx context.Context, log Log, b *Base) error {
	before := journal.Cursor{Position: b.at.Position - 1, Chain: b.previous}
	err := log.Read(ctx, before, b.at.Position, func(r *journal.Record) error {
		if r.Chain != b.at.Chain {
			return fmt.Errorf("%w: its base ends with another record than position %d of the log", ErrNoBase, r.Position)
		}
		return nil
	})
	var damage *journal.DamageError
	if errors.As(err, &damage) {
		err = fmt.Errorf("%w: position %d of the log does not continue its base: %w", ErrNoBase, damage.Position, err)
	}
	return err
}

// beginning is what a follower starts with.
type beginning struct {
	state    *projections.State // nil: nothing
	previous events.Chain
	from     string
}

const fromBase = "base"

// onBase replaces what is older than the log.
func (f *Follower) onBase(ctx context.Context, b beginning) (beginning, error) {
	base, err := f.Base(ctx)
	if err != nil || base == nil {
		return b, err
	}
	first := base.at.Position
	if f.history != nil {
		f.history.forget(first)
	}
	if b.state != nil && b.state.Position >= first {
		return b, nil
	}
	if f.joined != "" {
		if err := os.Remove(f.joined); err != nil {
			f.log.Warn("a snapshot of what was archived cannot be removed", "err", err)
		}
		f.joined = ""
	}
	state, err := base.State(ctx)
	return beginning{state, base.previous, fromBase}, err
}
