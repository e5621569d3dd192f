package replay

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/grantlog/grantlog/projections"
)

// suppose works out what would have been different for a client.
func (c *client) suppose(a Assumption) {
	order := make([]use, 0, len(c.uses))
	for at, n := range c.uses {
		order = append(order, at)
		c.Admitted += max(0, n.admitted)
		c.Refused += n.refused
	}
	slices.SortFunc(order, func(a, b use) int {
		return cmp.Or(cmp.Compare(a.second, b.second), cmp.Compare(a.secret, b.secret))
	})
	if a.TokenLifetime > 0 {
		c.shorten(order, int64(a.TokenLifetime/time.Second))
	}
	c.limit(order, a)
}

// touch widens the time in which calls would have been affected.
func (c *client) touch(second int64) {
	at := time.Unix(second, 0).UTC()
	if c.First.IsZero() || at.Before(c.First) {
		c.First = at
	}
	c.Last = latest(c.Last, at)
}

// shorten judges each use by the tokens of its secret version that were live
// then, and each token by the last use within its life.
func (c *client) shorten(order []use, life int64) {
	for _, lives := range c.issued {
		slices.SortFunc(lives, byBeginning)
	}
	used := map[int][]int64{} // by secret version, ascending
	for _, at := range order {
		n := c.uses[at].admitted
		if n <= 0 {
			continue
		}
		used[at.secret] = append(used[at.secret], at.second)
		younger, older := liveAt(c.issued[at.secret], at.second, life)
		switch {
		case older && !younger:
			c.Certain += n
		case older:
			c.Possible += n
		default:
			continue
		}
		c.touch(at.second)
	}
	for secret, lives := range c.issued {
		for _, l := range lives {
			uses := used[secret]
			i := sort.Search(len(uses), func(i int) bool { return uses[i] >= l.to })
			if i > 0 && uses[i-1] >= l.from+life {
				c.ExpiredAtUse++
			}
		}
	}
}

func byBeginning(a, b life) int { return cmp.Compare(a.from, b.from) }

// liveAt reports whether there were tokens that would still have been live at a
// second, and ones that would not. lives are sorted by their beginning.
func liveAt(lives []life, second, life int64) (younger, older bool) {
	return begunLive(lives, second-life, second, second), begunLive(lives, second-longestLife-1, second-life, second)
}

// begunLive reports whether any of the tokens that began after a second, and not
// after another, was live at a third.
func begunLive(lives []life, after, last, second int64) bool {
	begun := sort.Search(len(lives), func(i int) bool { return lives[i].from > last })
	for i := begun - 1; i >= 0 && lives[i].from > after; i-- {
		if lives[i].to > second {
			return true
		}
	}
	return false
}

// longestLife is how long a token lives at most, in seconds.
const longestLife = int64(projections.MaxTokenLifetime / time.Second)

// limit lets the calls through again, in windows as the guard's: the current
// unit and the 60 before it.
func (c *client) limit(order []use, a Assumption) {
	var was, would [2]window
	for i := range was {
		was[i].width, would[i].width = widths[i], widths[i]
	}
	limits := [2]int{a.PerMinute, a.PerHour}
	for i := 0; i < len(order); {
		second, n := order[i].second, 0
		for ; i < len(order) && order[i].second == second; i++ {
			n += c.uses[order[i]].admitted
		}
		if n <= 0 {
			continue
		}
		c.PeakMinute = max(c.PeakMinute, was[0].add(second, n))
		c.PeakHour = max(c.PeakHour, was[1].add(second, n))
		admitted := n
		for w, limit := range limits {
			if limit > 0 {
				admitted = min(admitted, max(0, limit-would[w].add(second, 0)))
			}
		}
		if admitted < n {
			c.OverLimit += n - admitted
			c.touch(second)
		}
		would[0].add(second, admitted)
		would[1].add(second, admitted)
	}
}

// widths are the units of a minute's window and of an hour's, in seconds.
var widths = [2]int64{1, 60}

const windowUnits = 60

// window counts the calls of the current unit and those before it.
type window struct {
	width int64
	units []unit // oldest first
	calls int
}

type unit struct {
	at    int64
	calls int
}

// add moves the window on to a second, which is not before the last one, and
// returns how many calls stand in it then.
func (w *window) add(second int64, n int) int {
	now := second / w.width
	gone := 0
	for gone < len(w.units) && w.units[gone].at < now-windowUnits {
		w.calls -= w.units[gone].calls
		gone++
	}
	w.units = w.units[gone:]
	if n > 0 {
		if last := len(w.units) - 1; last >= 0 && w.units[last].at == now {
			w.units[last].calls += n
		} else {
			w.units = append(w.units, unit{now, n})
		}
		w.calls += n
	}
	return w.calls
}
