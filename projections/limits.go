package projections

import (
	"cmp"
	"time"

	"github.com/grantlog/grantlog/events"
)

// The quotas of whoever was given none.
var (
	DefaultApplicationLimits  = events.Limits{PerMinute: 50, PerHour: 1_000}
	DefaultOrganizationLimits = events.Limits{PerMinute: 500, PerHour: 10_000}
)

// Quota returns the limits in effect.
func (a *Application) Quota() events.Limits { return quota(a.Limits, DefaultApplicationLimits) }

// Quota returns the limits in effect.
func (o *Organization) Quota() events.Limits { return quota(o.Limits, DefaultOrganizationLimits) }

func quota(own, otherwise events.Limits) events.Limits {
	return events.Limits{
		PerMinute: cmp.Or(own.PerMinute, otherwise.PerMinute),
		PerHour:   cmp.Or(own.PerHour, otherwise.PerHour),
	}
}

// A window slides: it is the current unit and as many before it as make the
// window, so it is longer than its name by up to one unit and never shorter. A
// minute has units of a second, an hour units of a minute.
const windowUnits = 60

// Count is what stands in a window.
type Count struct {
	Calls int
	// Leaves is when the oldest of them leaves the window, in Unix seconds; 0
	// without any.
	Leaves int64
}

// Minute counts the admitted calls of the last minute.
func (c *Counters) Minute(now time.Time) Count {
	if c == nil {
		return Count{}
	}
	return c.seconds.count(now.Unix(), 1)
}

// Hour counts the admitted calls of the last hour.
func (c *Counters) Hour(now time.Time) Count {
	if c == nil {
		return Count{}
	}
	return c.minutes.count(now.Unix()/60, 60)
}

// MinuteLeaves is when the oldest n of the last minute's calls will have left
// it, in Unix seconds.
func (c *Counters) MinuteLeaves(now time.Time, n int) int64 {
	if c == nil {
		return leaves(now.Unix(), 1)
	}
	return c.seconds.leaves(now.Unix(), 1, n)
}

// HourLeaves is MinuteLeaves for the last hour.
func (c *Counters) HourLeaves(now time.Time, n int) int64 {
	if c == nil {
		return leaves(now.Unix()/60, 60)
	}
	return c.minutes.leaves(now.Unix()/60, 60, n)
}

// count sums the window that ends with the unit now. A replica whose clock runs
// ahead may have counted in units to come: they count too.
func (s series) count(now, width int64) (c Count) {
	window := s.since(now - windowUnits)
	for i := range window {
		c.Calls += int(window[i].admitted)
	}
	if c.Calls > 0 {
		i := 0
		for window[i].admitted == 0 {
			i++
		}
		c.Leaves = leaves(int64(window[i].at), width)
	}
	return c
}

func (s series) leaves(now, width int64, n int) int64 {
	for _, c := range s.since(now - windowUnits) {
		if n -= int(c.admitted); n <= 0 {
			return leaves(int64(c.at), width)
		}
	}
	return leaves(now, width)
}

// leaves is when what was counted in a unit leaves its window.
func leaves(unit, width int64) int64 { return (unit + windowUnits + 1) * width }
