package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// ErrMalformed reports bytes that are not a page or an event as this package
// writes them. A reader stops there: it never skips.
var ErrMalformed = errors.New("events: malformed")

var errNoData = errors.New("events: event without data")

// UnknownTypeError reports an event that a newer version of grantlog wrote. A
// reader stops there: it never skips.
type UnknownTypeError struct {
	Type    Type
	Version int
}

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("events: unknown event type %q version %d", e.Type, e.Version)
}

// envelope is an Event as it is written.
type envelope struct {
	ID           string          `json:"id"`
	Type         Type            `json:"type"`
	Version      int             `json:"version"`
	Time         string          `json:"time"`
	Organization string          `json:"organization,omitempty"`
	Actor        Actor           `json:"actor,omitzero"`
	Correlation  string          `json:"correlation,omitempty"`
	Causation    string          `json:"causation,omitempty"`
	Data         json.RawMessage `json:"data"`
}

// AppendEvent appends the canonical JSON of e to dst. Type and Version are
// taken from the payload; if e states them too, they must agree. Whatever
// AppendEvent writes, DecodePage reads.
//
// Strings are escaped as encoding/json does without HTML escaping, so that an
// auditor reads what was written.
func AppendEvent(dst []byte, e *Event) ([]byte, error) {
	return catalogue.appendEvent(dst, e)
}

func (r registry) appendEvent(dst []byte, e *Event) ([]byte, error) {
	if e.Data == nil {
		return dst, errNoData
	}
	if e.ID == "" || e.Time.IsZero() {
		return dst, errors.New("events: event without id or time")
	}
	name := e.Data.EventType()
	known := r[name]
	if known == nil {
		return dst, &UnknownTypeError{Type: name}
	}
	if e.Type != "" && e.Type != name || e.Version != 0 && e.Version != known.version() {
		return dst, fmt.Errorf("events: %q version %d stated for a %q version %d", e.Type, e.Version, name, known.version())
	}
	out, err := appendEnvelope(dst, e, name, known.version())
	if err != nil {
		return dst, err
	}
	out, ok := appendHot(out, e.Data)
	if !ok {
		if out, err = appendPayload(out, known, e.Data); err != nil {
			return dst, err
		}
	}
	return append(out, '}'), nil
}

// appendPayload holds what it wrote to the rules of reading: the log is
// forever, and a payload that no replica can read would stop them all.
func appendPayload(dst []byte, known *entry, d Data) ([]byte, error) {
	var buf bytes.Buffer
	if err := encodeJSON(&buf, d); err != nil {
		return dst, fmt.Errorf("events: %s: %w", known.name, err)
	}
	if err := checkShape(known.shape, buf.Bytes()); err != nil {
		return dst, fmt.Errorf("events: %s: %w", known.name, err)
	}
	return append(dst, buf.Bytes()...), nil
}

// encodeJSON writes v without HTML escaping and without a line feed.
func encodeJSON(buf *bytes.Buffer, v any) error {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1)
	return nil
}

// decoder decodes one event after the other into the same memory.
type decoder struct {
	types registry
	event Event
	token TokenIssued

	second lastSecond
	former likeness
}

var envelopeShape = shapeOf(reflect.TypeFor[envelope]())

// decode reads the event at b[i:] and returns the index after it.
func (d *decoder) decode(b []byte, i int) (int, error) {
	c := cursor{b, i}
	if ok, err := d.decodeCanonical(&c); ok {
		return c.i, err
	}
	end := skipValue(b, i)
	return end, d.decodeJSON(b[i:end])
}

// decodeCanonical reports whether the event was in its canonical form as far
// as this function can tell; if not, d holds nothing of use.
func (d *decoder) decodeCanonical(c *cursor) (bool, error) {
	name, version, ok := c.envelope(&d.event, &d.second)
	if !ok {
		return false, nil
	}
	if hot, ok := d.decodeHot(c, name, version); hot {
		return ok && c.literal("}"), nil
	}
	start := c.i
	c.i = skipValue(c.b, start)
	data := c.b[start:c.i]
	if !c.literal("}") {
		return false, nil
	}
	return true, d.decodePayload(Type(name), version, data)
}

// decodeJSON reads one event in any JSON spelling.
func (d *decoder) decodeJSON(b []byte) error {
	if err := checkShape(envelopeShape, b); err != nil {
		return malformed(err)
	}
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return malformed(err)
	}
	t, ok := parseTime(e.Time)
	if !ok {
		return malformed(errTime)
	}
	d.event = Event{
		ID: e.ID, Time: t, Organization: e.Organization, Actor: e.Actor,
		Correlation: e.Correlation, Causation: e.Causation,
	}
	return d.decodePayload(e.Type, e.Version, e.Data)
}

// decodePayload fills in what depends on the type. An older payload is
// rewritten step by step, so the event that comes out is of this version.
func (d *decoder) decodePayload(name Type, version int, data json.RawMessage) error {
	if d.event.ID == "" || version < 1 {
		return malformed(errors.New("event without id or version"))
	}
	known := d.types[name]
	if known == nil || version > known.version() {
		if err := checkShape(nil, data); err != nil {
			return malformed(err)
		}
		return &UnknownTypeError{Type: Type(strings.Clone(string(name))), Version: version}
	}
	data, err := known.upcast(version, data)
	if err != nil {
		return malformed(err)
	}
	if err := checkShape(known.shape, data); err != nil {
		return malformed(fmt.Errorf("%s: %w", known.name, err))
	}
	into := known.new()
	if err := json.Unmarshal(data, into); err != nil {
		return malformed(err)
	}
	d.event.Type, d.event.Version, d.event.Data = known.name, known.version(), into
	return nil
}

// upcast rewrites a payload of the given version into the current one.
func (e *entry) upcast(version int, data json.RawMessage) (json.RawMessage, error) {
	if version == e.version() {
		return data, nil
	}
	if err := checkShape(nil, data); err != nil {
		return nil, fmt.Errorf("%s version %d: %w", e.name, version, err)
	}
	for v := version; v < e.version(); v++ {
		var err error
		if data, err = e.upcasters[v-1](data); err != nil {
			return nil, fmt.Errorf("%s version %d: %w", e.name, v, err)
		}
	}
	return data, nil
}

func malformed(err error) error { return fmt.Errorf("%w: %w", ErrMalformed, err) }
