package projections

import "time"

// expiry sweeps tokens by the log's own clock, in buckets of a minute: no
// replica's clock decides what stands in the table.
type expiry struct {
	due   map[int64]uint32 // minute → first slot of the bucket
	swept int64            // the last minute whose bucket was emptied
}

func newExpiry() expiry {
	return expiry{due: map[int64]uint32{}, swept: minute(time.Time{})}
}

// minute returns the full minutes of Unix time.
func minute(t time.Time) int64 {
	sec := t.Unix()
	m := sec / 60
	if sec < m*60 {
		m--
	}
	return m
}

// add puts a slot first in its bucket and returns the one it precedes. A
// token that came late for its own minute goes into the next to be swept: a
// writer whose clock runs ahead must not make fresh tokens vanish unseen.
func (x *expiry) add(expiresAt int64, slot uint32) (next uint32) {
	m := bucket(expiresAt, x.swept)
	next = x.due[m]
	x.due[m] = slot
	return next
}

// bucket is the minute in which a token is swept that stands in the table after
// the minute swept was.
func bucket(expiresAt, swept int64) int64 {
	m := expiresAt / 60
	if expiresAt > m*60 {
		m++
	}
	return max(m, swept+1)
}

// expire forgets tokens whose lifetime was over at the log time now.
func (t *Tokens) expire(now time.Time) {
	x, to := &t.expiry, minute(now)
	if to <= x.swept {
		return
	}
	if to-x.swept <= int64(len(x.due)) {
		for m := x.swept + 1; m <= to; m++ {
			t.empty(m)
		}
	} else { // a long silence: fewer buckets than minutes
		for m := range x.due {
			if m <= to {
				t.empty(m)
			}
		}
	}
	x.swept = to
}

func (t *Tokens) empty(m int64) {
	slot, ok := t.expiry.due[m]
	if !ok {
		return
	}
	delete(t.expiry.due, m)
	for slot != 0 {
		next := t.at(slot).next
		t.remove(slot)
		slot = next
	}
}
