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
func Remains(s *projections.State, now time.Time, app *projections.Application, o *projections.Organization, own Unshown) (q Quota) {
	if app != nil {
		c, limits := s.Usage.Application(app.ID), app.Quota()
		q.Minute = window(c.Minute(now), own.Application, limits.PerMinute, now)
		q.Hour = window(c.Hour(now), own.Application, limits.PerHour, now)
	}
	c, limits := s.Usage.Organization(o.ID), o.Quota()
	q.OrganizationMinute = window(c.Minute(now), own.Organization, limits.PerMinute, now)
	q.OrganizationHour = window(c.Hour(now), own.Organization, limits.PerHour, now)
	return q
}

func window(c projections.Count, own, limit int, now time.Time) Window {
	w := Window{Limit: limit, Remaining: max(0, limit-c.Calls-own), Reset: c.Leaves}
	if w.Reset == 0 {
		w.Reset = now.Unix()
	}
	return w
}

// Admit decides whether there is quota for one more call. Every window of the
// application and of its organization must have room; the outcome shows them
// after the call, or as they are when it is refused with a *LimitError.
func Admit(s *projections.State, now time.Time, app *projections.Application, o *projections.Organization, own Unshown) (Quota, error) {
	q := Remains(s, now, app, o, own)
	if app != nil && (q.Minute.Remaining == 0 || q.Hour.Remaining == 0) ||
		q.OrganizationMinute.Remaining == 0 || q.OrganizationHour.Remaining == 0 {
		return q, exceeded(s, now, app, o, own, &q)
	}
	if app != nil {
		q.Minute.Remaining--
		q.Hour.Remaining--
	}
	q.OrganizationMinute.Remaining--
	q.OrganizationHour.Remaining--
	return q, nil
}

// exceeded says when every window that is full will have room for a call.
func exceeded(s *projections.State, now time.Time, app *projections.Application, o *projections.Organization, own Unshown, q *Quota) error {
	var room int64
	full := func(w *Window, count projections.Count, own int, leaves func(time.Time, int) int64) {
		if w.Remaining > 0 {
			return
		}
		// A limit may have been lowered below what stands in its window.
		w.Reset = leaves(now, count.Calls+own-w.Limit+1)
		room = max(room, w.Reset)
	}
	if app != nil {
		c := s.Usage.Application(app.ID)
		full(&q.Minute, c.Minute(now), own.Application, c.MinuteLeaves)
		full(&q.Hour, c.Hour(now), own.Application, c.HourLeaves)
	}
	c := s.Usage.Organization(o.ID)
	full(&q.OrganizationMinute, c.Minute(now), own.Organization, c.MinuteLeaves)
	full(&q.OrganizationHour, c.Hour(now), own.Organization, c.HourLeaves)
	return &LimitError{RetryAfter: int(max(1, room-now.Unix()))}
}

// RecordUsage is a replica's account of guarded calls.
func RecordUsage(number uint64, usage []events.Usage) (Decision, error) {
	return fact("", &events.UsageRecorded{Report: number, Usage: usage})
}
