package projections

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// How much is kept of an application's or an organization's calls: at most so
// many units that hold any, and none much older. The windows of the limits
// need 61 seconds and 61 minutes; more is kept of both, so that replicas whose
// clocks differ by a minute still count in one another's windows.
const (
	keepSeconds = 2 * 61
	keepMinutes = 2*60 + 11
	keepHours   = 31*24 + 1
	keepDays    = 400 + 1
	keepSecrets = 16

	// keepReports is for how long a silent replica's last account is known.
	keepReports = 24 * time.Hour
	// secondsLast is for how long seconds are kept at least.
	secondsLast = 10 * time.Minute
)

// Usage is what replicas accounted of guarded calls.
type Usage struct {
	applications  map[string]*Counters
	organizations map[string]*Counters
	reports       map[string]*Report
	epoch         uint64 // Counters of an earlier one are shared with a Frozen
	swept         int64  // hour of log time
}

// Counters are the calls of one application or organization. They change with
// the state, so they must not be kept. A nil one counts nothing.
type Counters struct {
	epoch                         uint64
	seconds, minutes, hours, days series
	last                          int64 // of its calls, Unix seconds
	secrets                       []SecretUse
}

// SecretUse says when a secret version was last used: presented for a token,
// or by a call with a token that was minted on it.
type SecretUse struct {
	Version int
	Last    int64 // Unix seconds
}

// Report is a replica's last account.
type Report struct {
	Replica string `json:"replica"`
	Number  uint64 `json:"number"`
	Time    int64  `json:"time"` // of the event, Unix seconds
	// Over is by how many calls the account took an application or an
	// organization over a limit, as the log's order has it.
	Applications  map[string]int `json:"applications,omitempty"`
	Organizations map[string]int `json:"organizations,omitempty"`
}

func newUsage() *Usage {
	return &Usage{
		applications: map[string]*Counters{}, organizations: map[string]*Counters{}, reports: map[string]*Report{},
	}
}

// Application returns an application's counters; nil if it never called.
func (u *Usage) Application(id string) *Counters { return u.applications[id] }

// Organization returns an organization's counters.
func (u *Usage) Organization(id string) *Counters { return u.organizations[id] }

// Report returns a replica's last account, a zero one if there was none. It
// may be kept.
func (u *Usage) Report(replica string) Report {
	if r := u.reports[replica]; r != nil {
		return *r
	}
	return Report{}
}

// edit returns counters for writing.
func (u *Usage) edit(of map[string]*Counters, id string) *Counters {
	c := of[id]
	switch {
	case c == nil:
		c = &Counters{epoch: u.epoch}
		of[strings.Clone(id)] = c
	case c.epoch != u.epoch:
		own := *c
		own.epoch = u.epoch
		own.seconds, own.minutes = slices.Clone(c.seconds), slices.Clone(c.minutes)
		own.hours, own.days = slices.Clone(c.hours), slices.Clone(c.days)
		own.secrets = slices.Clone(c.secrets)
		c = &own
		of[id] = c
	}
	return c
}

// account folds a replica's account in, once.
func (s *State) account(at at, d *events.UsageRecorded) {
	u := s.Usage
	if before := u.reports[at.replica]; before != nil && d.Report <= before.Number {
		return
	}
	for i := range d.Usage {
		s.count(at, &d.Usage[i])
	}
	r := &Report{Replica: strings.Clone(at.replica), Number: d.Report, Time: at.time.Unix()}
	for i := range d.Usage {
		s.judge(at, r, &d.Usage[i])
	}
	u.reports[r.Replica] = r
}

func (s *State) count(at at, d *events.Usage) {
	second := min(d.Second, at.time.Unix()) // no account is of the future
	if _, ok := s.Organizations.Get(d.Organization); ok {
		s.Usage.edit(s.Usage.organizations, d.Organization).limit(second, d.Admitted)
	}
	if a, ok := s.Applications.Get(d.Application); ok && a.Organization == d.Organization {
		c := s.Usage.edit(s.Usage.applications, a.ID)
		c.limit(second, d.Admitted)
		c.count(second, d)
	}
}

// limit counts what the quotas are about.
func (c *Counters) limit(second int64, admitted int) {
	if admitted == 0 {
		return
	}
	if cell := c.seconds.at(second, keepSeconds); cell != nil {
		cell.add(admitted, 0, 0)
	}
	if cell := c.minutes.at(second/60, keepMinutes); cell != nil {
		cell.add(admitted, 0, 0)
	}
}

// count counts what else is shown of an application.
func (c *Counters) count(second int64, d *events.Usage) {
	if cell := c.minutes.at(second/60, keepMinutes); cell != nil {
		cell.add(0, d.Errors, d.Refused)
	}
	if cell := c.hours.at(second/3600, keepHours); cell != nil {
		cell.add(d.Admitted, d.Errors, d.Refused)
	}
	if cell := c.days.at(second/86400, keepDays); cell != nil {
		cell.add(d.Admitted, d.Errors, d.Refused)
	}
	if d.Admitted > 0 || d.Refused > 0 {
		c.last = max(c.last, second)
		c.usedSecret(d.Secret, second)
	}
}

func (c *Counters) usedSecret(version int, second int64) {
	if version <= 0 {
		return
	}
	i, found := slices.BinarySearchFunc(c.secrets, version, func(u SecretUse, v int) int { return u.Version - v })
	if !found {
		c.secrets = slices.Insert(c.secrets, i, SecretUse{Version: version})
	}
	c.secrets[i].Last = max(c.secrets[i].Last, second)
	if extra := len(c.secrets) - keepSecrets; extra > 0 {
		c.secrets = slices.Delete(c.secrets, 0, extra)
	}
}

// judge notes by how much the log shows limits exceeded now. The account's
// writer refuses that many of the calls which it kept waiting.
func (s *State) judge(at at, r *Report, d *events.Usage) {
	if o, ok := s.Organizations.Get(d.Organization); ok {
		note(&r.Organizations, o.ID, s.Usage.organizations[o.ID].over(at.time, o.Quota()))
	}
	if a, ok := s.Applications.Get(d.Application); ok && a.Organization == d.Organization {
		note(&r.Applications, a.ID, s.Usage.applications[a.ID].over(at.time, a.Quota()))
	}
}

func note(of *map[string]int, id string, over int) {
	if over <= 0 {
		return
	}
	if *of == nil {
		*of = map[string]int{}
	}
	(*of)[id] = over
}

// over is by how many calls the windows that end now exceed their limits.
func (c *Counters) over(now time.Time, l events.Limits) int {
	return max(c.Minute(now).Calls-l.PerMinute, c.Hour(now).Calls-l.PerHour)
}

// presented notes the use of the secret that a token was decided on.
func (s *State) presented(at at, d *events.TokenIssued) {
	if d.Secret <= 0 {
		return // a public client, or a service's credential
	}
	second := at.time.Unix()
	if c := s.Usage.applications[d.Application]; c != nil {
		if n := len(c.secrets); n > 0 && c.secrets[n-1] == (SecretUse{d.Secret, second}) {
			return // as with most tokens of a busy application
		}
	}
	a, ok := s.Applications.Get(d.Application)
	if !ok || a.Organization != at.organization {
		return
	}
	s.Usage.edit(s.Usage.applications, a.ID).usedSecret(d.Secret, second)
}

// forget drops the counters of an application that is gone.
func (s *State) forget(application string) {
	if _, ok := s.Applications.Get(application); !ok {
		delete(s.Usage.applications, application)
	}
}

// sweep drops what is too old, once per hour of log time.
func (u *Usage) sweep(now time.Time) {
	hour := now.Unix() / 3600
	if hour <= u.swept {
		return
	}
	u.swept = hour
	for _, of := range []map[string]*Counters{u.applications, u.organizations} {
		for id, c := range of {
			if c.stale(now) {
				u.edit(of, id).trim(now)
			}
		}
	}
	maps.DeleteFunc(u.reports, func(_ string, r *Report) bool {
		return r.Time < now.Add(-keepReports).Unix()
	})
}

// oldest returns the units that are kept at a time.
func oldest(now time.Time) (second, minute, hour, day int64) {
	t := now.Unix()
	return t - int64(secondsLast/time.Second), t/60 - keepMinutes, t/3600 - keepHours, t/86400 - keepDays
}

func (c *Counters) stale(now time.Time) bool {
	second, minute, hour, day := oldest(now)
	before := func(s series, unit int64) bool { return len(s) > 0 && int64(s[0].at) < unit }
	return before(c.seconds, second) || before(c.minutes, minute) || before(c.hours, hour) || before(c.days, day)
}

func (c *Counters) trim(now time.Time) {
	second, minute, hour, day := oldest(now)
	c.seconds, c.minutes = c.seconds.trimmed(second), c.minutes.trimmed(minute)
	c.hours, c.days = c.hours.trimmed(hour), c.days.trimmed(day)
}
