package replay

import (
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// account adds a replica's account of calls, once: what the fold takes for
// written twice counts for nothing here either. It comes before the fold.
func (c *collector) account(e *events.Event) {
	d, ok := e.Data.(*events.UsageRecorded)
	if !ok || c.suspect.Application == "" || d.Report <= c.state.Usage.Report(e.Actor.Replica).Number {
		return
	}
	for i := range d.Usage {
		if u := &d.Usage[i]; u.Application == c.suspect.Application && c.ofSecret(u.Secret) {
			c.add(u, e)
		}
	}
}

func (c *collector) add(d *events.Usage, e *events.Event) {
	i := slices.IndexFunc(c.usage, func(u Usage) bool { return u.Secret == d.Secret })
	second := time.Unix(d.Second, 0).UTC()
	if i < 0 {
		i = len(c.usage)
		c.usage = append(c.usage, Usage{Application: d.Application, Secret: d.Secret, First: second, Last: second})
	}
	u := &c.usage[i]
	u.Admitted += d.Admitted
	u.Errors += d.Errors
	u.Refused += d.Refused
	if second.Before(u.First) {
		u.First = second
	}
	u.Last = latest(u.Last, second)
	if !slices.Contains(u.Replicas, e.Actor.Replica) {
		u.Replicas = append(u.Replicas, strings.Clone(e.Actor.Replica))
	}
}
