package asof

import (
	"context"
	"errors"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// finder finds tokens of a state of the past. What its outline cannot tell is
// folded from the log with all tokens.
func (r *Reader) finder(p past) func(context.Context, events.TokenID) (projections.Token, bool, error) {
	return func(ctx context.Context, id events.TokenID) (projections.Token, bool, error) {
		t, found, err := r.recall(ctx, p, id)
		if !errors.Is(err, replay.ErrUnsure) {
			return t, found, err
		}
		whole, err := r.past(ctx, question{at: replay.Moment{Position: p.State.Position}, whole: true})
		if err != nil {
			return t, false, err
		}
		t, found = whole.State.Token(id)
		return t, found, nil
	}
}

// recall finds a token when it is its turn.
func (r *Reader) recall(ctx context.Context, p past, id events.TokenID) (projections.Token, bool, error) {
	select {
	case r.finds <- struct{}{}:
		defer func() { <-r.finds }()
		return p.Token(ctx, id)
	case <-ctx.Done():
		return projections.Token{}, false, context.Cause(ctx)
	}
}
