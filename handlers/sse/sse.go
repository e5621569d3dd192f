// Package sse owns the form of live streams: server-sent events (WHATWG HTML,
// section 9.2) whose ids are places in the log, so that a listener that comes
// back with Last-Event-ID goes on exactly where it was.
package sse

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/oauth"
)

const (
	// Heartbeat is how often a silent stream shows that it is alive.
	Heartbeat = 15 * time.Second
	// patience is that of a Stream, unless it is set otherwise.
	patience = 10 * time.Second
)

// Place is a place in the log: an event's record and its place there. The zero
// Place stands before the log.
type Place struct {
	Position events.Position
	// Ordinal of the event in its record; Whole: the record's last.
	Ordinal int
	// Epoch of the position; empty in a log that was not restored before it.
	Epoch string
}

// Epochs tells the epoch that a position belongs to; see projections.Epochs.
type Epochs func(events.Position) string

// Whole is the ordinal of a place after all events of its record.
const Whole = -1

// After reports whether the event (position, ordinal) stands after the place.
func (p Place) After(position events.Position, ordinal int) bool {
	if position != p.Position {
		return position > p.Position
	}
	return p.Ordinal != Whole && ordinal > p.Ordinal
}

// epochMark stands before the epoch in an id.
const epochMark = "~"

// String is the id of a place: the position or, amid a record,
// "position.ordinal"; behind a restoration of the log with its epoch, as
// "position~epoch".
func (p Place) String() string {
	id := strconv.FormatUint(uint64(p.Position), 10)
	if p.Ordinal != Whole {
		id += "." + strconv.Itoa(p.Ordinal)
	}
	if p.Epoch != "" {
		id += epochMark + p.Epoch
	}
	return id
}

var (
	errLost = oauth.Invalid("That place is in a log that was lost when a backup was restored; start again without it, and ask anew about what you know")
	errTwo  = oauth.Invalid("The log was restored from a backup before that position, so it is named with its epoch, as in the ids of the stream")
)

// Find reads what String wrote and checks that it is a place of this log.
func Find(s string, epochs Epochs) (Place, error) {
	p, err := parsePlace(s)
	switch {
	case err != nil || p.Epoch == epochs(p.Position):
		return p, err
	case p.Epoch == "":
		return Place{}, errTwo
	}
	return Place{}, errLost
}

func parsePlace(s string) (Place, error) {
	s, epoch, later := strings.Cut(s, epochMark)
	position, ordinal, amid := strings.Cut(s, ".")
	p := Place{Ordinal: Whole, Epoch: epoch}
	n, err := strconv.ParseUint(position, 10, 64)
	if err == nil && amid {
		p.Ordinal, err = strconv.Atoi(ordinal)
	}
	if err != nil || amid && p.Ordinal < 0 || later && !events.IsEpoch(epoch) {
		return Place{}, oauth.Invalid("That is not a position of the log")
	}
	p.Position = events.Position(n)
	return p, nil
}

// Start reads where a listener wants to start: after its Last-Event-ID, else
// after the query parameter "after", else after now.
func Start(c echo.Context, now events.Position, epochs Epochs) (Place, error) {
	if id := c.Request().Header.Get("Last-Event-ID"); id != "" {
		return Find(id, epochs)
	}
	if c.QueryParams().Has("after") {
		return Find(c.QueryParam("after"), epochs)
	}
	return Place{Position: now, Ordinal: Whole, Epoch: epochs(now)}, nil
}

// Stream is an open answer.
type Stream struct {
	// Patience is how long a listener may take to accept what is written. A
	// slower one is dropped; it resumes with the last id it got.
	Patience time.Duration

	response *echo.Response
	control  *http.ResponseController
}

// Open starts an answer of the stream type. It lifts the limits of time that
// hold for ordinary requests, and tells the listener where it starts: an id
// without data, so that it can resume even if nothing comes.
func Open(c echo.Context, at Place) (*Stream, error) {
	s := &Stream{Patience: patience, response: c.Response(), control: http.NewResponseController(c.Response())}
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	return s, s.write("id: " + at.String() + "\n\n")
}

// Frame is an event as it is written. data is one line of JSON. What goes to
// many listeners is made once.
func Frame(at Place, event string, data []byte) []byte {
	id := at.String()
	b := make([]byte, 0, len("id: \nevent: \ndata: \n\n")+len(id)+len(event)+len(data))
	b = append(append(b, "id: "...), id...)
	b = append(append(b, "\nevent: "...), event...)
	b = append(append(b, "\ndata: "...), data...)
	return append(b, "\n\n"...)
}

// Send writes an event and does not flush it.
func (s *Stream) Send(frame []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.Patience)); err != nil {
		return err
	}
	_, err := s.response.Write(frame)
	return err
}

// Flush sends what was written.
func (s *Stream) Flush() error { return s.control.Flush() }

// Beat writes a comment, which keeps connections open and finds those that are
// gone.
func (s *Stream) Beat() error { return s.write(": grantlog\n\n") }

func (s *Stream) write(text string) error {
	if err := s.Send([]byte(text)); err != nil {
		return err
	}
	return s.Flush()
}
