package replay

import (
	"context"
	"errors"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
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
	return from(ctx, h.Keeping(log, state), state, m, later, progress)
}

// from is At, given a position by which the log is past the moment's time, or 0.
func from(ctx context.Context, log Log, state *projections.State, m Moment, later events.Position, progress Progress) (Past, error) {
	near := m
	if near.Position == 0 {
		near.Position = later // there is no need to read on from there
	}
	past, err := At(ctx, log, state, near, progress)
	if err == nil && near != m && past.Until.IsZero() {
		return At(ctx, log, state, m, progress) // it was no later after all
	}
	return past, err
}

// Outline is a state of the past that may be without the tokens that were issued
// long before it; see projections.State.Outline.
type Outline struct {
	Past
	older follow.Older
}

// ErrFar says that a moment is far from every state that is kept.
var ErrFar = errors.New("there is no state near that moment")

// farAway is how many times what lies between two states as a rule is folded
// before a moment counts as far.
const farAway = 3

// NearOutline is Near without tokens. It keeps nothing, so it fails with ErrFar
// where Near would keep what is missing.
func NearOutline(ctx context.Context, log Log, h *follow.History, m Moment) (Outline, error) {
	if err := Reaches(ctx, log, m); err != nil {
		return Outline{}, err
	}
	state, older, later, err := h.Outline(ctx, log, m.Position, m.Time)
	if err == nil && state.Position < Start(log).Position {
		err = ErrFar // from what the log begins with, which has tokens
	}
	if err != nil {
		return Outline{}, err
	}
	if h.Room() {
		log = &short{Log: log, left: farAway * older.Next()}
	}
	past, err := from(ctx, log, state, m, later, nil)
	return Outline{past, older}, err
}

// short is a log of which only so much is read.
type short struct {
	Log
	left int64
}

func (s *short) Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error {
	return s.Log.Read(ctx, from, to, func(r *journal.Record) error {
		if s.left -= int64(r.Bytes); s.left < 0 {
			return ErrFar
		}
		return fn(r)
	})
}

// ErrUnsure says that only the whole state tells of a token.
var ErrUnsure = errors.New("the state has to be folded with all tokens")

// Token finds a token of the state; see projections.State.Token.
func (o Outline) Token(ctx context.Context, id events.TokenID) (projections.Token, bool, error) {
	if !o.State.IsOutline() {
		t, found := o.State.Token(id)
		return t, found, nil
	}
	old, err := o.older.Token(ctx, id)
	if err != nil {
		return projections.Token{}, false, errors.Join(ErrUnsure, err)
	}
	t, found, sure := o.State.Recall(id, old)
	if !sure {
		return t, false, ErrUnsure
	}
	return t, found, nil
}

// AppliedBy returns the highest position that a replica had applied by a
// moment, as far as its own records up to there tell; 0: they tell nothing.
func AppliedBy(ctx context.Context, log Log, h *follow.History, m Moment, replica string) (events.Position, error) {
	start, later, err := h.Start(ctx, log, m.Position, m.Time)
	if err != nil {
		return 0, err
	}
	begin := Start(log)
	if start.Position < begin.Position {
		start = begin
	}
	applied := events.Position(0)
	note := func(r *Record) error {
		if r.header.Replica == replica {
			applied = max(applied, r.header.Seen.Position)
		}
		return nil
	}
	near := m
	if near.Position == 0 {
		near.Position = later
	}
	until, err := read(ctx, log, start, near, nil, note)
	if err == nil && near != m && until.IsZero() {
		_, err = read(ctx, log, start, m, nil, note)
	}
	if err != nil {
		return 0, err
	}
	return h.AppliedBy(ctx, log, begin, start.Position, replica, applied)
}
