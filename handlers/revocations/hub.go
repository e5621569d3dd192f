package revocations

import (
	"slices"
	"strings"
	"sync"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/sse"
	"github.com/grantlog/grantlog/projections"
)

// recent is how many endings the hub keeps for listeners to be fed from
// memory; who is further behind reads the log.
const recent = 8192

// Hub keeps the latest endings, in log order, and wakes who waits for more.
// No listener holds back another: each reads at its own pace.
type Hub struct {
	mu    sync.Mutex
	ring  []projections.Ending
	floor events.Position // endings after this position are all in the ring
	told  bool            // whether floor is known
	more  chan struct{}   // closed with the next ending
}

func newHub() *Hub { return &Hub{more: make(chan struct{})} }

// Applied takes the endings of a record that became visible. Records come in
// log order.
func (h *Hub) Applied(r *journal.Record) {
	var endings []projections.Ending
	if strings.HasPrefix(r.Subject, events.RevocationsSubject("")) {
		endings = endingsOf(r)
	}
	h.take(r.Position, endings)
}

func (h *Hub) take(position events.Position, endings []projections.Ending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.told {
		h.floor, h.told = position-1, true
	}
	if len(endings) == 0 {
		return
	}
	h.ring = append(h.ring, endings...)
	if over := len(h.ring) - recent; over >= recent { // cut rarely, so that cutting is cheap
		h.floor = h.ring[over-1].Position
		h.ring = slices.Clone(h.ring[over:])
	}
	close(h.more)
	h.more = make(chan struct{})
}

// after returns the endings of an organization (empty: of all) after a place,
// whole records of about limit endings, and what to wait on when there are
// none. now is a position that the state has reached. ok is false when the
// place is before what the hub keeps.
func (h *Hub) after(place sse.Place, now events.Position, organization string, limit int) (found []projections.Ending, more <-chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.keeps(place, now) {
		return nil, nil, false
	}
	i, _ := slices.BinarySearchFunc(h.ring, place, func(e projections.Ending, p sse.Place) int {
		if p.After(e.Position, e.Ordinal) {
			return 1
		}
		return -1
	})
	for _, e := range h.ring[i:] {
		if organization != "" && e.Organization != organization {
			continue
		}
		if len(found) >= limit && e.Position != found[len(found)-1].Position {
			break
		}
		found = append(found, e)
	}
	return found, h.more, true
}

// keeps reports whether everything after a place is in the ring.
func (h *Hub) keeps(place sse.Place, now events.Position) bool {
	floor := now // of a hub that was told of nothing yet
	if h.told {
		floor = h.floor
	}
	return place.Position > floor || place.Position == floor && place.Ordinal == sse.Whole
}

func endingsOf(r *journal.Record) (endings []projections.Ending) {
	ordinal := 0
	for e, err := range r.Events() {
		if err != nil {
			return endings // the follower, which reads the same page, stops on it
		}
		if ending, ok := projections.EndingOf(r.Position, ordinal, e); ok {
			endings = append(endings, ending)
		}
		ordinal++
	}
	return endings
}
