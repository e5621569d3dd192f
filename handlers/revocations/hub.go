package revocations

import (
	"encoding/json"
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

// told is an ending as listeners are told of it. It never changes.
type told struct {
	projections.Ending
	after  sse.Place // where a listener is that has it
	frames sync.Once
	bytes  []byte // set by frames
}

// frame is what is written. It is made once, however many listeners there are,
// and not at all if there are none.
func (t *told) frame() []byte {
	t.frames.Do(func() {
		data, err := json.Marshal(&t.Ending)
		if err != nil {
			panic("revocations: an ending that cannot be encoded: " + err.Error()) // it came out of JSON
		}
		t.bytes = sse.Frame(t.after, "revocation", data)
	})
	return t.bytes
}

// Hub keeps the latest endings, in log order, and wakes who waits for more.
// No listener holds back another: each reads at its own pace.
type Hub struct {
	mu    sync.RWMutex
	ring  []*told
	floor events.Position // endings after this position are all in the ring
	known bool            // whether floor is
	more  chan struct{}   // closed with the next ending
	epoch sse.Epochs
}

func newHub(epoch sse.Epochs) *Hub { return &Hub{more: make(chan struct{}), epoch: epoch} }

// Applied takes the endings of a record that became visible. Records come in
// log order.
func (h *Hub) Applied(r *journal.Record) {
	var endings []*told
	if strings.HasPrefix(r.Subject, events.RevocationsSubject("")) {
		endings = endingsOf(r, h.epoch)
	}
	h.take(r.Position, endings)
}

func (h *Hub) take(position events.Position, endings []*told) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.known {
		h.floor, h.known = position-1, true
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
func (h *Hub) after(place sse.Place, now events.Position, organization string, limit int) (found []*told, more <-chan struct{}, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if !h.keeps(place, now) {
		return nil, nil, false
	}
	i, _ := slices.BinarySearchFunc(h.ring, place, func(e *told, p sse.Place) int {
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

// reaches is keeps for who holds no lock.
func (h *Hub) reaches(place sse.Place, now events.Position) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.keeps(place, now)
}

// keeps reports whether everything after a place is in the ring.
func (h *Hub) keeps(place sse.Place, now events.Position) bool {
	floor := now // of a hub that was told of nothing yet
	if h.known {
		floor = h.floor
	}
	return place.Position > floor || place.Position == floor && place.Ordinal == sse.Whole
}

// endingsOf reads the endings of a record.
func endingsOf(r *journal.Record, epoch sse.Epochs) (endings []*told) {
	ordinal := 0
	for e, err := range r.Events() {
		if err != nil {
			return tell(endings, epoch) // the follower, which reads the same page, stops on it
		}
		if ending, ok := projections.EndingOf(r.Position, ordinal, e); ok {
			ending.Organization = strings.Clone(ending.Organization) // it is the decoder's
			endings = append(endings, &told{Ending: ending})
		}
		ordinal++
	}
	return tell(endings, epoch)
}

// tell completes the endings of one record. They are of one organization, so
// the last of them is the last for every listener.
func tell(endings []*told, epoch sse.Epochs) []*told {
	if len(endings) == 0 {
		return nil
	}
	named := epoch(endings[0].Position)
	for _, e := range endings {
		e.after = sse.Place{Position: e.Position, Ordinal: e.Ordinal, Epoch: named}
	}
	endings[len(endings)-1].after.Ordinal = sse.Whole
	return endings
}
