package audit

import (
	"context"
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/sse"
)

// A log is read forward. Backward, it is read in pieces: a short one at first,
// as most pages are full then, and longer ones where nothing matches.
const (
	firstPiece = 8    // records
	lastPiece  = 2048 // records
)

// scanBack collects up to limit matching events before a place, the latest
// first, down to what the filter wants. next is where to go on, nil when nothing
// remains.
func (e *Endpoint) scanBack(ctx context.Context, f filter, place sse.Place, limit int) (found []Entry, next *sse.Place, err error) {
	found = []Entry{}
	scanned := events.Position(0)
	for piece := events.Position(firstPiece); ; piece = min(2*piece, lastPiece) {
		last := place.Position
		if place.Ordinal == 0 { // nothing of that record stands before the place
			last--
		}
		if place.Position == 0 || last <= f.lowest() {
			return found, nil, nil
		}
		from := max(f.lowest(), last-min(piece, last))
		matches, err := e.latest(ctx, f, from, place, last, limit-len(found))
		if err != nil {
			return nil, nil, err
		}
		found = append(found, matches...)
		scanned += last - from
		place = sse.Place{Position: from + 1}
		if len(found) == limit {
			end := found[limit-1]
			place = sse.Place{Position: end.Position, Ordinal: end.ordinal}
		}
		if len(found) == limit || scanned >= maxScan {
			if place.Ordinal == 0 && place.Position-1 <= f.lowest() {
				return found, nil, nil
			}
			return found, &place, nil
		}
	}
}

// latest returns the last matches of a piece of the log before a place, the
// latest first.
func (e *Endpoint) latest(ctx context.Context, f filter, from events.Position, place sse.Place, to events.Position, limit int) ([]Entry, error) {
	var found []Entry
	err := e.Read(ctx, journal.Cursor{Position: from}, to, func(r *journal.Record) error {
		matches, err := match(r, f, func(position events.Position, ordinal int) bool {
			return position < place.Position || position == place.Position && ordinal < place.Ordinal
		})
		if err != nil {
			return err
		}
		if found = append(found, matches...); len(found) > limit {
			found = slices.Delete(found, 0, len(found)-limit)
		}
		return nil
	})
	slices.Reverse(found)
	return found, err
}
