package resource

import (
	"math"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

const (
	// skew is how far the clocks of replicas may be apart when a token's iat
	// is compared with the time of an ending.
	skew = 5 * time.Second
	// generation is how long what the view keeps stays at least: no token
	// lives longer.
	generation = projections.MaxTokenLifetime + time.Minute
)

// unknown is a position that is later than any at which the issuer was asked.
const unknown events.Position = math.MaxUint64

type verdict int

const (
	good verdict = iota
	revoked
	doubtful
)

// everybody stands for all clients and users; it is nobody's id.
const everybody = "\x00"

// ended is what the endings of all of a client's or user's tokens come to.
type ended struct {
	at       time.Time       // tokens that were issued later are not among those that ended
	told     time.Time       // of the latest ending
	position events.Position // of the latest ending; unknown: NATS told it alone
	// effective is when the overlap of a rotation ends, if one was announced:
	// what the issuer said before tells nothing of the time after.
	effective time.Time
}

// word is what the issuer said of a token that counts.
type word struct {
	position events.Position // the log was read up to there, or further
	asked    time.Time
}

// settles reports whether the word still holds, as far as an ending goes.
func (w word) settles(e ended, now time.Time) bool {
	return w.position >= e.position && (now.Before(e.effective) || !w.asked.Before(e.effective.Add(skew)))
}

// view is what the feed told. Maps come in two generations, so that what is
// older than any token is forgotten without a look at each.
type view struct {
	clock func() time.Time

	mu      sync.RWMutex
	heard   time.Time // last sign of the feed; zero: none since the last break
	since   time.Time // what was issued before is not known; zero: never listened
	last    events.Mark
	turned  time.Time
	tokens  [2]map[string]struct{} // jti
	owners  [2]map[string]ended    // client_id or user id
	vouched [2]map[string]word     // jti → that it counts
}

func newView(clock func() time.Time) *view {
	v := &view{clock: clock, turned: clock()}
	for i := range 2 {
		v.tokens[i], v.owners[i], v.vouched[i] = map[string]struct{}{}, map[string]ended{}, map[string]word{}
	}
	return v
}

// begin notes that the feed is heard, and stands at a mark.
func (v *view) begin(at events.Mark) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.since.IsZero() {
		v.since = v.clock()
	}
	if at.Position > v.last.Position {
		v.last = at
	}
}

// restart forgets what holds by positions, for they are those of a log that was
// lost: a backup of it was restored. What ended stays ended, and about whatever
// was issued before the feed is heard again, the issuer is asked.
func (v *view) restart() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.heard, v.since, v.last = time.Time{}, time.Time{}, events.Mark{}
	for i := range 2 {
		v.vouched[i] = map[string]word{}
		for owner, e := range v.owners[i] {
			e.position = unknown
			v.owners[i][owner] = e
		}
	}
}

// beat notes a sign of the feed.
func (v *view) beat() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.heard = v.clock()
}

func (v *view) age(now time.Time) time.Duration {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.heard.IsZero() || v.since.IsZero() {
		return 1<<63 - 1
	}
	return now.Sub(v.heard)
}

func (v *view) mark() events.Mark {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.last
}

// end notes an ending. Endings may come twice, from two feeds.
func (v *view) end(e projections.Ending) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.turn()
	switch {
	case e.Token != nil:
		v.tokens[0][e.Token.String()] = struct{}{}
	default:
		n := ended{at: e.Time, told: e.Time, position: e.Position, effective: e.EffectiveAt}
		if e.EffectiveAt.After(n.at) {
			// The end of an overlap: until then these tokens count. It is the
			// issuer who knows which secret a token was minted on.
			n.at = e.EffectiveAt
		}
		if n.position == 0 {
			n.position = unknown
		}
		owners := []string{e.ClientID, e.Application, e.User}
		if e.Everything() {
			owners = []string{everybody} // the issuer knows whose organization a token is of
		}
		for _, owner := range owners {
			if owner != "" {
				v.owners[0][owner] = v.merge(owner, n)
			}
		}
	}
}

// merge returns what a client's or user's endings come to with one more. A
// later one takes nothing back of an earlier one whose overlap lasts longer; one
// that was told with its position does not lose it when NATS tells it again.
func (v *view) merge(owner string, n ended) ended {
	old, ok := v.ending(owner)
	if !ok {
		return n
	}
	switch {
	case n.position == unknown && !n.told.After(old.told):
		n.position = old.position
	case old.position == unknown && n.told.Before(old.told):
		n.position = unknown
	case old.position != unknown:
		n.position = max(n.position, old.position)
	}
	if old.told.After(n.told) {
		n.told = old.told
	}
	if old.at.After(n.at) {
		n.at = old.at
	}
	if old.effective.After(n.effective) {
		n.effective = old.effective
	}
	return n
}

// turn forgets what no living token can need.
func (v *view) turn() {
	now := v.clock()
	if now.Sub(v.turned) < generation {
		return
	}
	v.turned = now
	v.tokens[1], v.tokens[0] = v.tokens[0], map[string]struct{}{}
	v.owners[1], v.owners[0] = v.owners[0], map[string]ended{}
	v.vouched[1], v.vouched[0] = v.vouched[0], map[string]word{}
}

// judge decides about a token of which everything else is right.
func (v *view) judge(c *Claims, now time.Time) verdict {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for i := range 2 {
		if _, ok := v.tokens[i][c.ID]; ok {
			return revoked
		}
	}
	vouched, ok := v.vouched[0][c.ID]
	if !ok {
		vouched, ok = v.vouched[1][c.ID]
	}
	issued := time.Unix(c.IssuedAt, 0)
	for _, owner := range []string{c.ClientID, c.User, everybody} {
		if e, ended := v.ending(owner); ended && !issued.After(e.at.Add(skew)) && !(ok && vouched.settles(e, now)) {
			return doubtful // the issuer's answer tells a revoked one from a new one
		}
	}
	if !ok && !issued.After(v.since.Add(skew)) {
		return doubtful
	}
	return good
}

func (v *view) ending(owner string) (ended, bool) {
	if owner == "" {
		return ended{}, false
	}
	if e, ok := v.owners[0][owner]; ok {
		return e, true
	}
	e, ok := v.owners[1][owner]
	return e, ok
}

// vouch remembers that a token counted when the issuer was asked, which answers
// from position or later.
func (v *view) vouch(c *Claims, position events.Position, asked time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.turn()
	v.vouched[0][c.ID] = word{position, asked}
}
