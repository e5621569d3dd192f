package keys

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

// An error is followed by a pause, of this length at first and at most.
const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
)

// Run does what falls due until ctx ends. It is called once, after EnsureFirst.
func (k *Keeper) Run(ctx context.Context) {
	defer close(k.done)
	pause := firstPause
	for ctx.Err() == nil {
		wait, err := k.turn(ctx)
		if err == nil {
			pause = firstPause
		} else if ctx.Err() == nil {
			k.cfg.Logger.Warn("signing keys could not be kept; trying again", "error", err, "in", pause)
			wait, pause = pause, min(2*pause, maxPause)
		}
		k.rest(ctx, wait)
	}
}

// rest waits, with a spread that lets one replica do the work before the others
// look.
func (k *Keeper) rest(ctx context.Context, wait time.Duration) {
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait + rand.N(k.cfg.Poll/8+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.wake:
	case <-ctx.Done():
	}
}

// turn does one piece of work, the most urgent one, and says how long nothing
// more is due; zero after work that was done.
func (k *Keeper) turn(ctx context.Context) (wait time.Duration, err error) {
	now := k.cfg.Emit.Now()
	var work command.KeyWork
	k.cfg.Emit.View(func(s *projections.State) { work = k.cfg.Policy.Due(s.Keys, now) })
	k.landAll(work.First)
	switch {
	case len(work.First) > 0:
		alg := k.urgent(work.First)
		if err := k.add(ctx, alg); err != nil {
			k.land(alg, err)
			return 0, err
		}
		return 0, nil
	case len(work.Activate)+len(work.Retire) > 0:
		return 0, k.change(ctx, k.cfg.Policy.TurnKeys)
	case len(work.Rotate) > 0:
		return 0, k.add(ctx, work.Rotate[0])
	case work.Next.IsZero():
		return k.cfg.Poll, nil
	}
	return min(work.Next.Sub(now), k.cfg.Poll), nil
}
