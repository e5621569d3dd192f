package events

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"iter"
	"reflect"
	"strconv"
	"strings"
)

// page is a message of the stream as it is written.
type page struct {
	PageHeader
	Events json.RawMessage `json:"events"`
}

var pageShape = shapeOf(reflect.TypeFor[page]())

// AppendPage appends to dst the page of the given events, each as AppendEvent
// wrote it. A page without events is not one that DecodePage reads.
func AppendPage(dst []byte, h PageHeader, encoded ...[]byte) []byte {
	dst = appendString(append(dst, `{"commit":`...), h.Commit)
	dst = appendString(append(dst, `,"replica":`...), h.Replica)
	if h.Seen.Position > 0 {
		dst = strconv.AppendUint(append(dst, `,"seen":{"position":`...), uint64(h.Seen.Position), 10)
		dst = hex.AppendEncode(append(dst, `,"chain":"`...), h.Seen.Chain[:])
		dst = append(dst, `"}`...)
	}
	dst = append(dst, `,"events":[`...)
	for i, e := range encoded {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e...)
	}
	return append(dst, `]}`...)
}

// DecodePage reads a page. It is strict: unknown, repeated or missing members
// and trailing bytes are ErrMalformed, a type or version of a later grantlog
// is an *UnknownTypeError. Either may come from DecodePage or, where only the
// reading of the events shows it, from the iteration, which ends with it.
//
// A yielded event, its strings and a TokenIssued payload are valid until the
// next one only, and may alias b, which must not change meanwhile: copy what
// you keep. Other payloads are the caller's.
func DecodePage(b []byte) (PageHeader, iter.Seq2[*Event, error], error) {
	return catalogue.decodePage(b)
}

func (r registry) decodePage(b []byte) (PageHeader, iter.Seq2[*Event, error], error) {
	c := cursor{b: b}
	if h, ok := c.pageHeader(); ok && bytes.HasSuffix(b, []byte("]}")) {
		h.Commit, h.Replica = strings.Clone(h.Commit), strings.Clone(h.Replica)
		return h, r.listed(h, b[c.i:len(b)-len("]}")]), nil
	}
	return r.decodePageJSON(b)
}

// pageHeader reads a page up to the first of its events.
func (c *cursor) pageHeader() (h PageHeader, ok bool) {
	if !c.member(`{"commit":"`, &h.Commit) || !c.member(`,"replica":"`, &h.Replica) {
		return h, false
	}
	if c.literal(`,"seen":{"position":`) {
		n, ok := c.number()
		if !ok || !c.literal(`,"chain":"`) || !c.hex(h.Seen.Chain[:]) || !c.literal(`}`) {
			return h, false
		}
		h.Seen.Position = Position(n)
	}
	return h, c.literal(`,"events":[`)
}

// listed yields the events of a list whose brackets are cut off.
func (r registry) listed(h PageHeader, list []byte) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		d := &decoder{types: r}
		for i := 0; ; i++ {
			end, err := d.decode(list, skipSpace(list, i))
			if i = skipSpace(list, end); err == nil && i < len(list) && list[i] != ',' {
				err = malformed(errList)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			d.event.Actor.Replica = h.Replica
			if !yield(&d.event, nil) || i == len(list) {
				return
			}
		}
	}
}

var errList = errors.New("events not in a list")

// decodePageJSON reads a page in any JSON spelling.
func (r registry) decodePageJSON(b []byte) (PageHeader, iter.Seq2[*Event, error], error) {
	if err := checkShape(pageShape, b); err != nil {
		return PageHeader{}, nil, malformed(err)
	}
	var p page
	if err := json.Unmarshal(b, &p); err != nil {
		return PageHeader{}, nil, malformed(err)
	}
	if p.Events[0] != '[' {
		return PageHeader{}, nil, malformed(errList)
	}
	return p.PageHeader, r.listed(p.PageHeader, p.Events[1:len(p.Events)-1]), nil
}
