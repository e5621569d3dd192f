package projections

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// RequestMemory is how long a request with an Idempotency-Key is remembered, by
// the log's time; after that its key is a new one.
const RequestMemory = 24 * time.Hour

// maxRequests bounds what is remembered of one organization: the oldest gives
// way.
const maxRequests = 1 << 16

// Request is the first request with an Idempotency-Key. Values are immutable.
type Request struct {
	Organization string               `json:"organization,omitempty"` // of what it made
	Key          events.RequestDigest `json:"key"`
	Request      events.RequestDigest `json:"request"` // what was asked
	Nonce        events.RequestNonce  `json:"nonce"`
	Position     events.Position      `json:"position"` // of the record with what it made
	Ordinal      int                  `json:"ordinal,omitempty"`
	At           time.Time            `json:"at"` // log time of that
}

// Requests is what the log remembers of requests with an Idempotency-Key: some
// 200 bytes each.
type Requests struct {
	byKey map[events.RequestDigest]*Request
	// oldest lists an organization's requests in log order.
	oldest map[string][]*Request
	swept  int64 // the last hour of log time after which requests were forgotten
	void   span
}

// span is a run of events of one record. It is empty between records.
type span struct {
	position    events.Position
	first, past int
}

func newRequests() *Requests {
	return &Requests{
		byKey: map[events.RequestDigest]*Request{}, oldest: map[string][]*Request{}, swept: hour(time.Time{}.Unix()),
	}
}

// Find returns the request that a key stands for at a log time.
func (p *Requests) Find(key events.RequestDigest, now time.Time) (*Request, bool) {
	r, ok := p.byKey[key]
	if !ok || now.Sub(r.At) >= RequestMemory {
		return nil, false
	}
	return r, true
}

// Void reports whether an event that is about to be applied counts for nothing,
// because it came of a request that the log had seen before.
func (s *State) Void(position events.Position, ordinal int) bool {
	v := s.Requests.void
	return v.position == position && v.first <= ordinal && ordinal < v.past
}

// keyRequest remembers the first request of a key, or takes what follows a
// later one for nothing.
func (s *State) keyRequest(at at, d *events.RequestKeyed) {
	p := s.Requests
	if _, known := p.Find(d.Key, s.Time); known {
		p.void = span{at.position, at.ordinal + 1, at.ordinal + 1 + d.Covers}
		return
	}
	if former := p.byKey[d.Key]; former != nil {
		p.forget(former)
	}
	r := &Request{
		Organization: strings.Clone(at.organization), Key: d.Key, Request: d.Request, Nonce: d.Nonce,
		Position: at.position, Ordinal: at.ordinal, At: s.Time,
	}
	p.byKey[r.Key] = r
	p.oldest[r.Organization] = append(p.oldest[r.Organization], r)
	if list := p.oldest[r.Organization]; len(list) > maxRequests {
		p.forget(list[0])
	}
}

// forget drops a request, which is mostly its organization's oldest.
func (p *Requests) forget(r *Request) {
	delete(p.byKey, r.Key)
	list := p.oldest[r.Organization]
	if list[0] == r {
		list = list[1:]
	} else {
		// A frozen copy may share the list.
		list = slices.DeleteFunc(slices.Clone(list), func(other *Request) bool { return other == r })
	}
	p.oldest[r.Organization] = list
	if len(list) == 0 {
		delete(p.oldest, r.Organization)
	}
}

// sweep drops what is not remembered any more, once per hour of log time.
func (p *Requests) sweep(now time.Time) {
	to := hour(now.Unix())
	if to <= p.swept {
		return
	}
	p.swept = to
	for _, list := range p.oldest {
		for _, r := range list {
			if now.Sub(r.At) < RequestMemory {
				break
			}
			p.forget(r)
		}
	}
}

// requests writes the sections of requests, by organization, oldest first.
func (e *sectionWriter) requests(p *Requests) {
	for _, organization := range slices.Sorted(maps.Keys(p.oldest)) {
		for _, r := range p.oldest[organization] {
			e.json(sectionRequest, r)
		}
	}
}

// restore takes a request out of a snapshot.
func (p *Requests) restore(r *Request) bool {
	list := p.oldest[r.Organization]
	if n := len(list); p.byKey[r.Key] != nil || n >= maxRequests || n > 0 && compareRequests(list[n-1], r) >= 0 {
		return false
	}
	p.byKey[r.Key] = r
	p.oldest[r.Organization] = append(list, r)
	return true
}

// compareRequests orders requests as the log has them.
func compareRequests(a, b *Request) int {
	return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Ordinal, b.Ordinal))
}
