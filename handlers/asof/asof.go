// Package asof owns reads of the past: the state that a request's as_of
// parameter names, a position of the log or a time. An endpoint reads through a
// Moment and need not know which it is; an answer about the past carries
// As-Of-Position, the last record that it shows.
//
// A past state is folded from the nearest one before it that is kept, by the log
// alone: its outline, unless all tokens are asked for. (The tokens of an hour may
// be millions, and most questions are about none of them or one.) States that
// were asked for stay in memory, a bounded number of them, and are shared by all
// requests: they never change. How many are folded at once is bounded too;
// whoever comes on top is told to come again.
package asof

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
)

// Header names the position that an answer about the past stands for, and
// TimeHeader the time by which what expires was judged.
const (
	Header     = "As-Of-Position"
	TimeHeader = "As-Of-Time"
)

// Config wires a Reader. All fields but History are required.
type Config struct {
	Log replay.Log
	// History keeps states to fold the log from; nil: none is kept.
	History *follow.History
	// View reads the state of now.
	View func(func(*projections.State))
	Now  func() time.Time
}

// Reader gives requests the state to read from. It is safe for concurrent use.
type Reader struct {
	Config
	shelf shelf
	works works
	finds chan struct{} // bounds how many look for tokens at once
}

// New returns a Reader.
func New(c Config) *Reader {
	return &Reader{Config: c, works: works{flights: map[question]*flight{}}, finds: make(chan struct{}, maxFinds)}
}

// Moment is the state that a request reads from.
type Moment struct {
	// Now is the time by which what expires is judged: the moment's own.
	Now time.Time
	// AsOf is the request's as_of parameter, empty for a read of now. A list
	// binds it into its cursors.
	AsOf string

	view func(func(*projections.State))
	find func(context.Context, events.TokenID) (projections.Token, bool, error)
}

// View calls read with the state; see follow.Follower.View. Of the past it is an
// outline, unless Whole gave the moment.
func (m Moment) View(read func(*projections.State)) { m.view(read) }

// Lookup is projections.State.Lookup at a moment of the past.
func (m Moment) Lookup(ctx context.Context) func(events.TokenID, events.TokenDigest) (projections.Token, projections.Liveness, error) {
	return func(id events.TokenID, digest events.TokenDigest) (projections.Token, projections.Liveness, error) {
		t, found, err := m.find(ctx, id)
		if err != nil || !found || !t.Is(digest) {
			return projections.Token{}, projections.Unknown, err
		}
		var l projections.Liveness
		m.view(func(s *projections.State) { l = s.Liveness(t, m.Now) })
		return t, l, nil
	}
}

// Query returns the moment that a request's URL names by as_of and, if what one
// replica had applied by then is asked for, replica. Whoever calls must be
// authenticated by then.
func (r *Reader) Query(c echo.Context) (Moment, error) { return r.query(c, false) }

// Whole is Query for who lists tokens.
func (r *Reader) Whole(c echo.Context) (Moment, error) { return r.query(c, true) }

func (r *Reader) query(c echo.Context, whole bool) (Moment, error) {
	query, err := page.Query(c.Request())
	if err != nil {
		return Moment{}, err
	}
	values := map[string]string{}
	for _, name := range []string{"as_of", "replica"} {
		if values[name], err = page.One(query, name); err != nil {
			return Moment{}, err
		}
		if query.Has(name) && values[name] == "" {
			return Moment{}, oauth.Invalid("The " + name + " parameter is empty")
		}
	}
	return r.moment(c, values["as_of"], values["replica"], whole)
}

// Form is Query for the parameters of a form body.
func (r *Reader) Form(c echo.Context, p oauth.Params) (Moment, error) {
	return r.moment(c, p["as_of"], p["replica"], false)
}

// At is the moment of a position that the log has reached. The answer carries
// no headers of the past.
func (r *Reader) At(ctx context.Context, position events.Position) (Moment, error) {
	past, err := r.past(ctx, question{at: replay.Moment{Position: position}})
	if err != nil {
		return Moment{}, err
	}
	return Moment{Now: past.State.Time, AsOf: strconv.FormatUint(uint64(position), 10), view: past.view, find: r.finder(past)}, nil
}

func (r *Reader) moment(c echo.Context, asOf, replica string, whole bool) (Moment, error) {
	now := r.Now()
	if asOf == "" {
		if replica != "" {
			return Moment{}, oauth.Invalid("replica goes with as_of only")
		}
		return Moment{Now: now, view: r.View}, nil
	}
	at, err := parse("as_of", asOf, now)
	if err != nil {
		return Moment{}, err
	}
	past, err := r.past(c.Request().Context(), question{at, replica, whole})
	if err != nil {
		return Moment{}, err
	}
	then := at.Clock(past.State)
	c.Response().Header().Set(Header, strconv.FormatUint(uint64(past.State.Position), 10))
	c.Response().Header().Set(TimeHeader, then.UTC().Format(time.RFC3339Nano))
	return Moment{
		Now: then, AsOf: url.QueryEscape(asOf) + " " + url.QueryEscape(replica), view: past.view, find: r.finder(past),
	}, nil
}

// parse reads a parameter that names a moment.
func parse(name, text string, now time.Time) (replay.Moment, error) {
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		if n == 0 {
			return replay.Moment{}, oauth.Invalid(name + " must be a position from 1, or a time")
		}
		return replay.Moment{Position: events.Position(n)}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil || t.IsZero():
		return replay.Moment{}, oauth.Invalid(name + " must be a position of the log, or a time of RFC 3339, such as 2026-01-02T15:04:05Z")
	case t.After(now):
		return replay.Moment{}, oauth.Invalid(name + " is in the future")
	}
	return replay.Moment{Time: t.UTC()}, nil
}
