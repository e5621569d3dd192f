package follow

import (
	"context"
	"errors"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// watch finds what a tail cannot: records at the end of the log that the
// server withholds because it cannot read them. When the log is known to go on
// and nothing comes for a while, they are asked for by position.
func (f *Follower) watch(ctx context.Context) {
	tick := time.NewTicker(f.quarter())
	defer tick.Stop()
	for stood := events.Position(0); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		at, last := f.Position(), events.Position(f.last.Load())
		if at == stood && at < last && f.damage.Load() == nil {
			f.look(ctx, last)
		}
		stood = at
	}
}

// look reads up to a position that the log is known to have. The tail applies
// what comes; here only a log that does not have it counts.
func (f *Follower) look(ctx context.Context, last events.Position) {
	err := f.cfg.Journal.Read(ctx, f.resume(), last, func(*journal.Record) error { return nil })
	var gap *journal.GapError
	var damaged *journal.DamageError
	if errors.As(err, &gap) || errors.As(err, &damaged) {
		f.stop(err)
	}
}
