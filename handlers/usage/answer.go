package usage

import (
	"slices"
	"time"

	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

type usage struct {
	ApplicationID string    `json:"applicationId"`
	From          time.Time `json:"from"`
	To            time.Time `json:"to"`
	Step          string    `json:"step"`
	Buckets       []bucket  `json:"buckets"` // one per step, oldest first
	Totals        counts    `json:"totals"`
	LastAccessAt  time.Time `json:"lastAccessAt,omitzero"`
	RateLimit     rateLimit `json:"rateLimit"`
	Secrets       []secret  `json:"secrets"`
}

type bucket struct {
	Time time.Time `json:"time"` // where it begins
	counts
}

// counts are of calls by a live token of the application.
type counts struct {
	Requests  int     `json:"requests"`
	Errors    int     `json:"errors"` // answered 400 or above, refused ones included
	ErrorRate float64 `json:"errorRate"`
	Refused   int     `json:"refused"` // by the guard: quota, scope or route
}

type rateLimit struct {
	window
	Organization window `json:"organization"`
}

type window struct {
	PerMinute quota `json:"perMinute"`
	PerHour   quota `json:"perHour"`
}

type quota struct {
	Limit     int   `json:"limit"`
	Remaining int   `json:"remaining"`
	Reset     int64 `json:"reset"` // Unix seconds
}

// secret says when a version was last presented for a token, or a token that
// was minted on it last used.
type secret struct {
	Version    int       `json:"version"`
	LastUsedAt time.Time `json:"lastUsedAt,omitzero"`
}

func answerOf(app *projections.Application, c *projections.Counters, asked span) usage {
	u := usage{
		ApplicationID: app.ID, From: asked.from, To: asked.to, Step: asked.step,
		LastAccessAt: c.LastAccess(), Secrets: secretsOf(app, c),
	}
	for t := asked.from; t.Before(asked.to); t = t.Add(asked.width) {
		u.Buckets = append(u.Buckets, bucket{Time: t})
	}
	for _, b := range c.Buckets(projections.Step(asked.width), asked.from, asked.to) {
		u.Buckets[b.Time.Sub(asked.from)/asked.width].add(b)
		u.Totals.add(b)
	}
	return u
}

func (c *counts) add(b projections.Bucket) {
	c.Requests += b.Admitted + b.Refused
	c.Errors += b.Errors + b.Refused
	c.Refused += b.Refused
	c.ErrorRate = float64(c.Errors) / float64(max(1, c.Requests))
}

// secretsOf lists the versions that count, used or not, and former ones of
// which a use is known.
func secretsOf(app *projections.Application, c *projections.Counters) []secret {
	out := []secret{}
	for _, use := range c.Secrets() {
		out = append(out, secret{use.Version, time.Unix(use.Last, 0).UTC()})
	}
	for _, s := range app.Secrets {
		if !slices.ContainsFunc(out, func(u secret) bool { return u.Version == s.Version }) {
			out = append(out, secret{Version: s.Version})
		}
	}
	slices.SortFunc(out, func(a, b secret) int { return a.Version - b.Version })
	return out
}

func remaining(q command.Quota) rateLimit {
	return rateLimit{
		window:       window{quota(q.Minute), quota(q.Hour)},
		Organization: window{quota(q.OrganizationMinute), quota(q.OrganizationHour)},
	}
}
