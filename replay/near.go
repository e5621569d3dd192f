package replay

import (
	"context"

	"github.com/grantlog/grantlog/projections/follow"
)

// Near is At from the nearest state before the moment that a history has, and
// keeps there what it passes. The log decides all the same: a state that does
// not stand in it is not used.
func Near(ctx context.Context, log Log, h *follow.History, m Moment, progress Progress) (Past, error) {
	if err := Reaches(ctx, log, m); err != nil {
		return Past{}, err
	}
	state, later, err := h.Nearest(ctx, log, m.Position, m.Time)
	if err == nil && state.Position < Start(log).Position {
		state, err = Begin(ctx, log)
	}
	if err != nil {
		return Past{}, err
	}
	near := m
	if near.Position == 0 {
		near.Position = later // there is no need to read on from there
	}
	keeping := h.Keeping(log, state)
	past, err := At(ctx, keeping, state, near, progress)
	if err == nil && near != m && past.Until.IsZero() {
		return At(ctx, keeping, state, m, progress) // it was no later after all
	}
	return past, err
}
