package command

import (
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Window is a quota as its owner is told of it.
type Window struct {
	Limit     int
	Remaining int
	Reset     int64 // Unix seconds: until then no more than Remaining; then calls begin to leave
}

// Quota is what an application and its organization have left.
type Quota struct {
	Minute, Hour                         Window // the application's; zero for a caller that is none
	OrganizationMinute, OrganizationHour Window
}

// Unshown counts calls that this replica admitted and the state does not show
// yet. They count as made now.
type Unshown struct{ Application, Organization int }

// LimitError is a call over a limit.
type LimitError struct {
	RetryAfter int // seconds, at least 1
}

func (e *LimitError) Error() string { return "Rate limit exceeded" }

// Remains returns what is left at a moment. The application may be nil.
func Remains(s *projections.State, now time.Time, app *projections.Application, o *projections.Organization, own Unshown) Quota {
	g := gauges(s, now, app, o, own)
	return Quota{g[0].window(now), g[1].window(now), g[2].window(now), g[3].window(now)}
}

// Admit decides whether there is quota for one more call. Every window of the
// application and of its organization must have room; the outcome shows them
// after the call, or as they are when it is refused with a *LimitError.
func Admit(s *projections.State, now time.Time, app *projections.Application, o *projections.Organization, own Unshown) (Quota, error) {
	own.Application++
	own.Organization++
	g := gauges(s, now, app, o, own)
	q := Quota{g[0].window(now), g[1].window(now), g[2].window(now), g[3].window(now)}
	var room int64 // when every window that is too full will have room
	for i := range g {
		if over := g[i].over(); over > 0 {
			room = max(room, g[i].leaves(now, over))
		}
	}
	if room == 0 {
		return q, nil
	}
	for i, w := range []*Window{&q.Minute, &q.Hour, &q.OrganizationMinute, &q.OrganizationHour} {
		if g[i].over() <= 0 && g[i].limit > 0 {
			w.Remaining++ // the call did not take it
		}
	}
	return q, &LimitError{RetryAfter: int(max(1, room-now.Unix()))}
}

// gauge is a window as it stands.
type gauge struct {
	counters *projections.Counters
	hour     bool
	shown    projections.Count
	own      int
	limit    int // 0: there is no such window
}

// gauges are the windows in the order of Quota's fields.
func gauges(s *projections.State, now time.Time, app *projections.Application, o *projections.Organization, own Unshown) (g [4]gauge) {
	if app != nil {
		c, limits := s.Usage.Application(app.ID), app.Quota()
		g[0] = gauge{c, false, c.Minute(now), own.Application, limits.PerMinute}
		g[1] = gauge{c, true, c.Hour(now), own.Application, limits.PerHour}
	}
	c, limits := s.Usage.Organization(o.ID), o.Quota()
	g[2] = gauge{c, false, c.Minute(now), own.Organization, limits.PerMinute}
	g[3] = gauge{c, true, c.Hour(now), own.Organization, limits.PerHour}
	return g
}

// over is by how many calls the window exceeds its limit, which may have been
// lowered far below what it holds.
func (g *gauge) over() int {
	if g.limit == 0 {
		return 0
	}
	return g.shown.Calls + g.own - g.limit
}

// leaves is when n of the window's calls will have left it.
func (g *gauge) leaves(now time.Time, n int) int64 {
	if g.hour {
		return g.counters.HourLeaves(now, n)
	}
	return g.counters.MinuteLeaves(now, n)
}

func (g *gauge) window(now time.Time) Window {
	w := Window{Limit: g.limit, Remaining: max(0, -g.over()), Reset: g.shown.Leaves}
	switch over := g.over(); {
	case g.limit == 0:
		return Window{}
	case over > 0:
		w.Reset = g.leaves(now, over)
	case w.Reset == 0 && g.own > 0:
		w.Reset = g.leaves(now, g.own)
	case w.Reset == 0:
		w.Reset = now.Unix()
	}
	return w
}

// RecordUsage is a replica's account of guarded calls.
func RecordUsage(number uint64, usage []events.Usage) (Decision, error) {
	return fact("", &events.UsageRecorded{Report: number, Usage: usage})
}
