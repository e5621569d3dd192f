// Package audit owns the log as auditors read it: GET /oauth/events, a page at
// a time in either direction or all of it as a file, and GET
// /oauth/events/stream, live. Each event has its position; what is secret in
// them is left out (see render).
package audit

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/handlers/sse"
)

// scope opens the audit endpoints.
const scope = "events:read"

// maxScan bounds the records that one page of a list reads: a page that found
// too little by then ends early, with a cursor to go on.
const maxScan = 20_000

// Config wires an Endpoint. All fields are required.
type Config struct {
	Authn   *authn.Authenticator
	Cursors *page.Cursors
	// Position is the last record that this replica shows; WaitFor waits for one.
	Position func() events.Position
	WaitFor  func(ctx context.Context, position events.Position) error
	// Epoch tells the epoch of a position; see sse.Epochs.
	Epoch func(events.Position) string
	// Begins tells the first record of the log and, where what is before was
	// archived, the log's time there.
	Begins func(ctx context.Context) (first events.Position, began time.Time, err error)
	// Read gives records of the log; see journal.Journal.Read.
	Read func(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error
	// Fresh fails while this replica may not answer: a heartbeat would be a
	// lie then, so listeners are let go.
	Fresh func() error
	// Stopping is closed when the server stops: listeners are let go.
	Stopping <-chan struct{}
}

// Endpoint serves the log to auditors.
type Endpoint struct {
	Config
	exports chan struct{} // holds one for each export that runs
}

// New returns an Endpoint.
func New(c Config) *Endpoint { return &Endpoint{Config: c, exports: make(chan struct{}, maxExports)} }

// Mount adds the endpoints to a router.
func (e *Endpoint) Mount(g *echo.Group) {
	may := e.Authn.Require(scope)
	g.GET("/oauth/events", e.list, may)
	g.GET("/oauth/events/stream", e.stream, may)
}

// listed is the answer of a list.
type listed struct {
	Events []Entry `json:"events"`
	Next   string  `json:"nextCursor,omitempty"`
}

func (e *Endpoint) list(c echo.Context) error {
	f, err := e.filterOf(c)
	if err != nil {
		return err
	}
	form, err := formOf(c.Request(), c.QueryParams())
	if err != nil {
		return err
	}
	c.Response().Header().Add("Vary", "Accept")
	if form != formJSON {
		return e.export(c, f, form)
	}
	request, err := e.Cursors.Parse(c.QueryParams(), f.bound()...)
	if err != nil {
		return err
	}
	found, next, err := e.page(c.Request().Context(), f, request)
	if err != nil {
		return err
	}
	answer := listed{Events: found}
	if next != nil {
		answer.Next = e.Cursors.Next(encodePlace(*next), f.bound()...)
	}
	return c.JSON(http.StatusOK, answer)
}

// page collects what a request of a list asks for.
func (e *Endpoint) page(ctx context.Context, f filter, request page.Request) (found []Entry, next *sse.Place, err error) {
	end := e.Position()
	if f.before > 0 {
		end = min(end, f.before-1)
	}
	place := sse.Place{Position: f.lowest(), Ordinal: sse.Whole}
	if f.backward {
		place = sse.Place{Position: end + 1}
	}
	if request.After != nil {
		place = decodePlace(request.After)
	}
	if f.backward {
		return e.scanBack(ctx, f, place, request.Limit)
	}
	return e.scan(ctx, f, place, end, request.Limit)
}

func (e *Endpoint) filterOf(c echo.Context) (filter, error) {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return filter{}, err
	}
	query, err := page.Query(c.Request())
	if err != nil {
		return filter{}, err
	}
	f, err := parseFilter(query, organization)
	if err != nil {
		return filter{}, err
	}
	first, began, err := e.Begins(c.Request().Context())
	if err != nil || first <= 1 {
		return f, err
	}
	c.Response().Header().Set(oauth.FirstHeader, strconv.FormatUint(uint64(first), 10))
	f.floor = first - 1
	if query.Get("after") != "" && f.after < f.floor || f.before > 0 && f.before <= first || early(f.since, began) || early(f.until, began) {
		return filter{}, &journal.ArchivedError{First: first}
	}
	return f, nil
}

// early reports whether a bound is before the beginning of the log.
func early(bound, began time.Time) bool { return !bound.IsZero() && bound.Before(began) }

// errEnough ends a read of the log that found what it looked for.
var errEnough = errors.New("enough")

// scan collects up to limit matching events after a place, up to the record
// end. next is where to go on, nil when everything up to end was looked at.
func (e *Endpoint) scan(ctx context.Context, f filter, place sse.Place, end events.Position, limit int) (found []Entry, next *sse.Place, err error) {
	found = []Entry{}
	from := start(place)
	err = e.Read(ctx, journal.Cursor{Position: from}, end, func(r *journal.Record) error {
		matches, err := match(r, f, place.After)
		if err != nil {
			return err
		}
		for i, m := range matches {
			found = append(found, m)
			if len(found) == limit {
				next = &sse.Place{Position: r.Position, Ordinal: m.ordinal}
				if i+1 == len(matches) {
					next.Ordinal = sse.Whole
				}
				return errEnough
			}
		}
		if r.Position-from >= maxScan {
			next = &sse.Place{Position: r.Position, Ordinal: sse.Whole}
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if next != nil && next.Ordinal == sse.Whole && next.Position >= end {
		next = nil
	}
	return found, next, err
}

// start is the record before the first one that may hold something after a
// place.
func start(place sse.Place) events.Position {
	if place.Ordinal != sse.Whole && place.Position > 0 {
		return place.Position - 1
	}
	return place.Position
}

// match renders the events of a record that a filter selects, of those that
// count.
func match(r *journal.Record, f filter, counts func(position events.Position, ordinal int) bool) (matches []Entry, err error) {
	ordinal := -1
	for event, err := range r.Events() {
		if err != nil {
			return nil, err
		}
		ordinal++
		if !counts(r.Position, ordinal) || !f.admits(event) {
			continue
		}
		entry, err := render(r.Position, ordinal, event)
		if err != nil {
			return nil, err
		}
		if f.concerns(entry) {
			matches = append(matches, entry)
		}
	}
	return matches, nil
}

func encodePlace(p sse.Place) []byte {
	b := binary.AppendUvarint(nil, uint64(p.Position))
	return binary.AppendVarint(b, int64(p.Ordinal))
}

// decodePlace reads a place out of a cursor, which is authenticated.
func decodePlace(b []byte) sse.Place {
	position, n := binary.Uvarint(b)
	ordinal, _ := binary.Varint(b[max(n, 0):])
	return sse.Place{Position: events.Position(position), Ordinal: int(ordinal)}
}

func (e *Endpoint) stream(c echo.Context) error {
	f, err := e.filterOf(c)
	if err != nil {
		return err
	}
	if f.backward {
		return oauth.Invalid("A stream is in log order")
	}
	place, err := sse.Start(c, e.Position(), e.Epoch)
	if err != nil {
		return err
	}
	if start(place) < f.floor {
		return &journal.ArchivedError{First: f.floor + 1}
	}
	s, err := sse.Open(c, place)
	if err != nil {
		return err
	}
	e.feed(c.Request().Context(), s, authn.From(c), f, place)
	return nil
}

// feed writes until the listener is gone or too slow, its token ends, or the
// server stops. In each case the listener can resume.
func (e *Endpoint) feed(ctx context.Context, s *sse.Stream, caller authn.Caller, f filter, place sse.Place) {
	for e.Fresh() == nil && e.Authn.StillLive(caller) {
		now := e.Position()
		if now <= place.Position && place.Ordinal == sse.Whole {
			if !e.rest(ctx, s, now+1) {
				return
			}
			continue
		}
		if e.Read(ctx, journal.Cursor{Position: start(place)}, now, func(r *journal.Record) error {
			return e.sendRecord(s, f, place, r)
		}) != nil {
			return
		}
		place = sse.Place{Position: now, Ordinal: sse.Whole}
		if s.Flush() != nil {
			return
		}
	}
}

// rest waits for a record, or one heartbeat; false: the stream is over.
func (e *Endpoint) rest(ctx context.Context, s *sse.Stream, position events.Position) bool {
	ctx, cancel := context.WithTimeout(ctx, sse.Heartbeat)
	defer cancel()
	came := make(chan error, 1)
	go func() { came <- e.WaitFor(ctx, position) }()
	select {
	case err := <-came:
		if err == nil {
			return true
		}
		return errors.Is(ctx.Err(), context.DeadlineExceeded) && e.Fresh() == nil && s.Beat() == nil
	case <-e.Stopping:
		return false
	}
}

func (e *Endpoint) sendRecord(s *sse.Stream, f filter, place sse.Place, r *journal.Record) error {
	matches, err := match(r, f, place.After)
	if err != nil {
		return err
	}
	for i, m := range matches {
		at := sse.Place{Position: m.Position, Ordinal: m.ordinal, Epoch: e.Epoch(m.Position)}
		if i+1 == len(matches) {
			at.Ordinal = sse.Whole
		}
		data, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if err := s.Send(sse.Frame(at, string(m.Type), data)); err != nil {
			return err
		}
	}
	return nil
}
