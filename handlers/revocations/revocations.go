// Package revocations owns the feeds of what ended: GET /oauth/revocations to
// poll and GET /oauth/revocations/stream to listen. Both give every ending of
// the caller's organization once, in log order, from any position that the
// caller names. The same endings are on NATS, one subject per organization.
package revocations

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/handlers/sse"
	"github.com/grantlog/grantlog/projections"
)

// scope opens the feeds.
const scope = "revocations:read"

// errEnough ends a read of the log that found what it looked for.
var errEnough = errors.New("enough")

// batch is how many endings are taken from the hub at a time.
const batch = 256

// Config wires an Endpoint. All fields but Patience and Sent are required.
type Config struct {
	Authn *authn.Authenticator
	// Position is the last record that this replica shows.
	Position func() events.Position
	// Epoch tells the epoch of a position; see sse.Epochs.
	Epoch func(events.Position) string
	// First is the first record of the log.
	First func() events.Position
	// Read gives records of the log; see journal.Journal.Read.
	Read func(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error
	// Fresh fails while this replica may not answer: a heartbeat would be a
	// lie then, so listeners are let go.
	Fresh func() error
	// Patience is how long a listener may take to accept what is written; 0: as
	// sse.Stream has it.
	Patience time.Duration
	// Stopping is closed when the server stops: listeners are let go.
	Stopping <-chan struct{}
	// Sent is told how old an ending was when a listener, who was there before
	// it, had been sent it. It must not block. nil: nobody is.
	Sent func(age time.Duration)
}

// Endpoint serves the feeds.
type Endpoint struct {
	Config
	hub *Hub
}

// New returns the endpoint. Its Hub must be told of every applied record.
func New(cfg Config) *Endpoint { return &Endpoint{Config: cfg, hub: newHub(cfg.Epoch)} }

// Hub takes what the follower applied.
func (e *Endpoint) Hub() *Hub { return e.hub }

// Mount adds the endpoints to a router.
func (e *Endpoint) Mount(g *echo.Group) {
	may := e.Authn.Require(scope)
	g.GET("/oauth/revocations", e.poll, may)
	g.GET("/oauth/revocations/stream", e.stream, may)
}

// polled is the answer of a poll. Next is what to ask after next: Position or,
// where the log was restored from a backup before it, that with its epoch.
type polled struct {
	Revocations []projections.Ending `json:"revocations"`
	Position    events.Position      `json:"position"`
	Next        string               `json:"next"`
}

func (e *Endpoint) poll(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	limit, err := page.Limit(c.QueryParams())
	if err != nil {
		return err
	}
	place := sse.Place{Position: e.First() - 1, Ordinal: sse.Whole}
	if after := c.QueryParam("after"); after != "" {
		if place, err = sse.Find(after, e.Epoch); err != nil {
			return err
		}
	}
	now := e.Position()
	found, _, err := e.After(c.Request().Context(), place, now, organization, limit)
	if err != nil {
		return err
	}
	answer := polled{Revocations: found, Position: max(now, place.Position)}
	switch n := len(found); {
	case n == 0:
		answer.Revocations = []projections.Ending{}
	case n >= limit || found[n-1].Position > now:
		answer.Position = found[n-1].Position // there may be more behind it
	}
	answer.Next = sse.Place{Position: answer.Position, Ordinal: sse.Whole, Epoch: e.Epoch(answer.Position)}.String()
	return c.JSON(http.StatusOK, answer)
}

// After finds about limit endings of an organization (empty: of all) after a
// place, whole records of them, in the hub or, for a place long ago, in the log
// up to now. When there are none, more is closed with the next ending or, if
// the log was read, nil: go on after now.
func (e *Endpoint) After(ctx context.Context, place sse.Place, now events.Position, organization string, limit int) (found []projections.Ending, more <-chan struct{}, err error) {
	all, more, err := e.after(ctx, place, now, organization, limit)
	for _, one := range all {
		found = append(found, one.Ending)
	}
	return found, more, err
}

// after is After, with endings as listeners are told of them.
func (e *Endpoint) after(ctx context.Context, place sse.Place, now events.Position, organization string, limit int) ([]*told, <-chan struct{}, error) {
	found, more, ok := e.hub.after(place, now, organization, limit)
	if ok {
		return found, more, nil
	}
	found, err := e.fromLog(ctx, place, now, organization, limit)
	return found, nil, err
}

// fromLog reads whole records until it has limit endings or is at to.
func (e *Endpoint) fromLog(ctx context.Context, place sse.Place, to events.Position, organization string, limit int) (found []*told, err error) {
	err = e.Read(ctx, journal.Cursor{Position: start(place)}, to, func(r *journal.Record) error {
		for _, ending := range endingsOf(r, e.Epoch) {
			if place.After(ending.Position, ending.Ordinal) && (organization == "" || organization == ending.Organization) {
				found = append(found, ending)
			}
		}
		if len(found) >= limit {
			return errEnough
		}
		return nil
	})
	if err == errEnough {
		err = nil
	}
	return found, err
}

// start is the record before the first one that may hold something after a
// place.
func start(place sse.Place) events.Position {
	if place.Ordinal != sse.Whole && place.Position > 0 {
		return place.Position - 1 // the rest of the place's own record
	}
	return place.Position
}

func (e *Endpoint) stream(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	place, err := sse.Start(c, e.Position(), e.Epoch)
	if err != nil {
		return err
	}
	if first := e.First(); start(place) < first-1 && !e.hub.reaches(place, e.Position()) {
		return &journal.ArchivedError{First: first}
	}
	opened := time.Now()
	s, err := sse.Open(c, place)
	if err != nil {
		return err
	}
	if e.Patience > 0 {
		s.Patience = e.Patience
	}
	e.feed(c.Request().Context(), s, authn.From(c), organization, place, opened)
	return nil
}

// feed writes until the listener is gone or too slow, its token ends, or the
// server stops. In each case the listener can resume.
func (e *Endpoint) feed(ctx context.Context, s *sse.Stream, caller authn.Caller, organization string, place sse.Place, opened time.Time) {
	beat := time.NewTicker(sse.Heartbeat)
	defer beat.Stop()
	for e.Fresh() == nil {
		live := e.Authn.StillLive(caller)
		now := e.Position()
		found, more, err := e.after(ctx, place, now, organization, batch)
		if err != nil {
			return
		}
		if !live { // its own end is the last that a listener hears
			if own := slices.DeleteFunc(found, func(n *told) bool { return !ends(n.Ending, caller) }); len(own) > 0 {
				_, _ = send(s, own) // the stream ends in any case
			}
			return
		}
		if len(found) > 0 {
			if place, err = send(s, found); err != nil {
				return
			}
			if e.Sent != nil && found[0].Time.After(opened) {
				e.Sent(time.Since(found[0].Time))
			}
			continue
		}
		if more == nil { // the log was read up to now: go on from there
			place = sse.Place{Position: max(now, place.Position), Ordinal: sse.Whole}
			continue
		}
		select {
		case <-more:
		case <-beat.C:
			if e.Fresh() != nil || s.Beat() != nil {
				return
			}
		case <-ctx.Done():
			return
		case <-e.Stopping:
			return
		}
	}
}

// ends reports whether an ending is one of the caller's own token.
func ends(n projections.Ending, caller authn.Caller) bool {
	if n.Organization != caller.Organization() {
		return false
	}
	if n.Token != nil {
		return *n.Token == caller.Token.ID
	}
	return n.Everything() || n.Application == caller.Token.Application
}

// send writes whole records of endings and returns the place after them.
func send(s *sse.Stream, endings []*told) (place sse.Place, err error) {
	for _, e := range endings {
		if err := s.Send(e.frame()); err != nil {
			return place, err
		}
		place = e.after
	}
	return place, s.Flush()
}
