package projections

import (
	"slices"
	"time"
)

// Step is the width of the buckets in which calls are shown.
type Step time.Duration

// The steps. Minutes are kept for two hours, hours for 31 days, days (of UTC)
// for 400.
const (
	StepMinute = Step(time.Minute)
	StepHour   = Step(time.Hour)
	StepDay    = Step(24 * time.Hour)
)

// Bucket counts the calls of one step.
type Bucket struct {
	Time     time.Time // where it begins
	Admitted int       // consumed quota
	Errors   int       // of them, answered 400 or above
	Refused  int       // by the guard
}

// Buckets lists the steps that hold calls and overlap the time from from up to
// to.
func (c *Counters) Buckets(step Step, from, to time.Time) []Bucket {
	if c == nil {
		return nil
	}
	of, width := c.minutes, int64(time.Duration(step)/time.Second)
	switch step {
	case StepHour:
		of = c.hours
	case StepDay:
		of = c.days
	}
	var out []Bucket
	for _, cell := range of.since(from.Unix() / width) {
		at := int64(cell.at) * width
		if at >= to.Unix() {
			break
		}
		if cell.admitted+cell.errors+cell.refused == 0 {
			continue // all of it was taken back
		}
		out = append(out, Bucket{time.Unix(at, 0).UTC(), int(cell.admitted), int(cell.errors), int(cell.refused)})
	}
	return out
}

// LastAccess is the second of the last call, zero if there was none.
func (c *Counters) LastAccess() time.Time {
	if c == nil || c.last == 0 {
		return time.Time{}
	}
	return time.Unix(c.last, 0).UTC()
}

// Secrets lists when the latest secret versions were last used, oldest version
// first.
func (c *Counters) Secrets() []SecretUse {
	if c == nil {
		return nil
	}
	return slices.Clone(c.secrets)
}
