package events

import (
	"bytes"
	"math"
	"strconv"
)

// The envelope is coded by hand, as are the payloads in hot_tokens.go. The fuzz
// tests hold both files to encoding/json both ways.

// appendEnvelope appends e up to and including the name of its data.
func appendEnvelope(dst []byte, e *Event, name Type, version int) ([]byte, error) {
	dst = appendString(append(dst, `{"id":`...), e.ID)
	dst = appendString(append(dst, `,"type":`...), string(name))
	dst = strconv.AppendInt(append(dst, `,"version":`...), int64(version), 10)
	dst, err := appendTime(append(dst, `,"time":"`...), e.Time)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '"')
	dst = appendOptional(dst, `,"organization":`, e.Organization)
	dst = appendActor(dst, e.Actor)
	dst = appendOptional(dst, `,"correlation":`, e.Correlation)
	dst = appendOptional(dst, `,"causation":`, e.Causation)
	return append(dst, `,"data":`...), nil
}

func appendActor(dst []byte, a Actor) []byte {
	if a.Application == "" && a.User == "" {
		return dst
	}
	dst = append(dst, `,"actor":{`...)
	start := len(dst)
	dst = appendOptional(dst, `"application":`, a.Application)
	if len(dst) > start && a.User != "" {
		dst = append(dst, ',')
	}
	dst = appendOptional(dst, `"user":`, a.User)
	return append(dst, '}')
}

// appendOptional appends a member unless it is empty.
func appendOptional(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendString(append(dst, name...), value)
}

// appendString appends s as a JSON string. What needs an escape is rare here
// and left to encoding/json, so that there is one opinion about it.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if !plain[s[i]] {
			var buf bytes.Buffer
			if err := encodeJSON(&buf, s); err != nil {
				panic(err) // a string always encodes, and a buffer always takes it
			}
			return append(dst, buf.Bytes()...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// envelope reads an event up to the value of its data into e.
func (c *cursor) envelope(e *Event, last *lastSecond) (name string, version int, ok bool) {
	var stamp string
	*e = Event{}
	if !c.member(`{"id":"`, &e.ID) {
		return "", 0, false
	}
	if name, version, ok = c.kind(); !ok || !c.member(`,"time":"`, &stamp) {
		return "", 0, false
	}
	if e.Time, ok = last.parse(stamp); !ok {
		return "", 0, false
	}
	ok = c.optional(`,"organization":"`, &e.Organization) &&
		c.actor(&e.Actor) &&
		c.optional(`,"correlation":"`, &e.Correlation) &&
		c.optional(`,"causation":"`, &e.Causation) &&
		c.literal(`,"data":`)
	return name, version, ok && e.ID != ""
}

// kind reads the type and the version, most often those of one event.
func (c *cursor) kind() (name string, version int, ok bool) {
	if c.literal(`,"type":"` + tokenIssuedName + `","version":1`) {
		return tokenIssuedName, tokenIssuedVersion, true
	}
	if !c.member(`,"type":"`, &name) || !c.literal(`,"version":`) {
		return "", 0, false
	}
	v, ok := c.number()
	return name, int(v), ok && v <= math.MaxInt32
}

func (c *cursor) actor(a *Actor) bool {
	if !c.literal(`,"actor":{`) {
		return true
	}
	if c.literal(`"user":"`) {
		var ok bool
		a.User, ok = c.text()
		return ok && c.literal(`}`)
	}
	return c.member(`"application":"`, &a.Application) && c.optional(`,"user":"`, &a.User) && c.literal(`}`)
}

// member reads a string member whose name, with the opening quote of its
// value, is given.
func (c *cursor) member(name string, value *string) (ok bool) {
	if !c.literal(name) {
		return false
	}
	*value, ok = c.text()
	return ok
}

// optional is member for one that may be absent.
func (c *cursor) optional(name string, value *string) (ok bool) {
	if c.other(name) || !c.literal(name) {
		return true
	}
	*value, ok = c.text()
	return ok
}

// other reports that another member follows, where the first letter tells it.
func (c *cursor) other(name string) bool {
	const letter = len(`,"`)
	return c.i+letter < len(c.b) && c.b[c.i+letter] != name[letter]
}

// optionalNumber is optional for a number, which is not 0.
func (c *cursor) optionalNumber(name string, value *int) bool {
	if c.other(name) || !c.literal(name) {
		return true
	}
	n, ok := c.number()
	*value = int(n)
	return ok && n > 0 && n <= math.MaxInt32
}
