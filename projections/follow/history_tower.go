package follow

import (
	"context"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// tower gives fn the layers of a state kept at a position, the uppermost first,
// until fn wants no more. Each is known to stand on the one below.
func (h *History) tower(ctx context.Context, position events.Position, fn func(*layer) (more bool, err error)) error {
	chain := events.Chain{}
	for top := true; ; top = false {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l, err := h.layerAt(position)
		if err != nil {
			return err
		}
		more := false
		if err = nil; !top && l.Chain != chain {
			err = fmt.Errorf("%w: position %d is of another log than what stands on it", errSnapshot, position)
		} else {
			more, err = fn(l)
		}
		position, chain = l.Base, l.BaseChain
		if l.close(); err != nil || !more || position == 0 {
			return err
		}
	}
}

// standing reads what a state kept says of itself, and makes sure that it is of
// this log, unless that is known of where it stands.
func (h *History) standing(ctx context.Context, log Log, c candidate, known journal.Cursor) (contents, error) {
	l, err := h.layerAt(c.position)
	if err != nil {
		return contents{}, err
	}
	l.close()
	if known.Position == l.Position && known.Chain == l.Chain {
		return l.contents, nil
	}
	return l.contents, l.stands(ctx, log)
}

// stands makes sure that the state is of this log; that its layers stand on each
// other shows when they are read.
func (c *contents) stands(ctx context.Context, log Log) error {
	return stands(ctx, log, journal.Cursor{Position: c.Position, Chain: c.Chain}, c.Previous)
}

// proven makes sure that all layers of a state are there and of this log.
func (h *History) proven(ctx context.Context, log Log, c candidate) (events.Chain, error) {
	if err := h.tower(ctx, c.position, func(*layer) (bool, error) { return true, nil }); err != nil {
		return events.Chain{}, err
	}
	told, err := h.standing(ctx, log, c, journal.Cursor{})
	return told.Chain, err
}

// together makes a state of its outline and all its layers.
func (h *History) together(ctx context.Context, log Log, c candidate) (*projections.State, error) {
	if _, err := h.proven(ctx, log, c); err != nil {
		return nil, err
	}
	var state *projections.State
	var positions []events.Position
	err := h.tower(ctx, c.position, func(l *layer) (more bool, err error) {
		if state == nil {
			state, err = l.outline()
		}
		positions = append(positions, l.position)
		return true, err
	})
	all := projections.NewLayers()
	for i := len(positions) - 1; i >= 0 && err == nil; i-- {
		var l *layer
		if l, err = h.layerAt(positions[i]); err == nil {
			err = l.addTo(all)
			l.close()
		}
	}
	if err != nil {
		return nil, err
	}
	return state, all.Into(state)
}

// Start is where the state stands that Outline finds.
func (h *History) Start(ctx context.Context, log Log, position events.Position, until time.Time) (at journal.Cursor, before events.Position, err error) {
	candidates, before := h.layered(position, until)
	_, err = h.first(ctx, candidates, func(c candidate) error {
		told, err := h.standing(ctx, log, c, journal.Cursor{})
		if err == nil {
			at = journal.Cursor{Position: told.Position, Chain: told.Chain}
		}
		return err
	})
	return at, before, err
}

// Outline is Nearest without tokens: the state is an outline, and older tells of
// the tokens that it was taken of. Only the states of the history count.
func (h *History) Outline(ctx context.Context, log Log, position events.Position, until time.Time) (state *projections.State, older Older, before events.Position, err error) {
	candidates, before := h.layered(position, until)
	found, err := h.first(ctx, candidates, func(c candidate) (err error) {
		state, older, err = h.outlineAt(ctx, log, c)
		return err
	})
	if err == nil && !found {
		state, older = projections.New(), Older{history: h}
		state.Outline()
	}
	return state, older, before, err
}

func (h *History) outlineAt(ctx context.Context, log Log, c candidate) (state *projections.State, older Older, err error) {
	l, err := h.layerAt(c.position)
	if err != nil {
		return nil, older, err
	}
	defer l.close()
	if state, err = l.outline(); err != nil {
		return nil, older, err
	}
	state.Outline()
	return state, Older{h, c, l.Sections}, l.stands(ctx, log)
}

// Older is the tokens of a state kept.
type Older struct {
	history *History
	at      candidate // of position 0: there are none
	outline int64
}

// Next is after how much of the log another state is kept, as a rule.
func (o Older) Next() int64 {
	if o.history == nil {
		return historySpacing
	}
	return max(o.history.spacing, historyShare*o.outline)
}

// Token finds one. An error says that the states of the past have changed, or
// cannot be read: what they told is to be folded from the log.
func (o Older) Token(ctx context.Context, id events.TokenID) (found *projections.Token, err error) {
	if o.at.position == 0 {
		return nil, nil
	}
	ended := false
	err = o.history.tower(ctx, o.at.position, func(l *layer) (more bool, err error) {
		t, ok, err := l.find(id)
		switch {
		case err != nil:
			return false, err
		case ok && t.Outlives(l.time, o.at.time):
			t.Ended = t.Ended || ended
			found = &t
		case !ok && !ended:
			ended, err = l.ended(id)
		}
		return !ok, err
	})
	return found, err
}
