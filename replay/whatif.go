package replay

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Assumption is a setting that was not in effect, for every application. What is
// zero stays as it was.
type Assumption struct {
	TokenLifetime time.Duration `json:"-"`
	Seconds       int           `json:"tokenLifetime,omitempty"` // of TokenLifetime
	PerMinute     int           `json:"perMinute,omitempty"`
	PerHour       int           `json:"perHour,omitempty"`
}

// WhatIf is who would have been affected by an assumption.
type WhatIf struct {
	AsOf       Bound      `json:"asOf"`
	Assumption Assumption `json:"assumption"`
	// Resolution says how exactly the log tells.
	Resolution []string   `json:"resolution"`
	Affected   int        `json:"affected"` // applications
	Clients    []Affected `json:"applications"`
	// Begins is where the account begins, if not with the log: of what is before,
	// which was archived, the tokens that were not expired are in it.
	Begins *Bound `json:"begins,omitempty"`
}

// Affected is an application, or a service's credential, that had tokens or
// made guarded calls.
type Affected struct {
	Organization string `json:"organizationId"`
	Application  string `json:"applicationId"`
	Name         string `json:"name,omitempty"`
	Tokens       int    `json:"tokens"`
	Admitted     int    `json:"admitted"` // calls, as they were
	Refused      int    `json:"refused"`  // likewise
	// ExpiredAtUse counts tokens that would have been expired when their secret
	// version was last used within their life.
	ExpiredAtUse int `json:"tokensExpiredAtLastUse"`
	// Certain are calls for which no token would have been live any more;
	// Possible are those for which some would and some would not.
	Certain  int `json:"callsWithoutToken"`
	Possible int `json:"callsPerhapsWithoutToken"`
	// OverLimit are calls that would have been refused for the limits, and
	// PeakMinute and PeakHour the most that were admitted within those windows.
	OverLimit  int       `json:"callsOverLimit"`
	PeakMinute int       `json:"peakMinute"`
	PeakHour   int       `json:"peakHour"`
	First      time.Time `json:"first,omitzero"` // and last second with an affected call
	Last       time.Time `json:"last,omitzero"`
}

// affected reports whether anything would have been different.
func (a *Affected) affected() bool { return a.ExpiredAtUse+a.Certain+a.Possible+a.OverLimit > 0 }

// What a log tells of usage.
var (
	resolutionTokens = "Usage is recorded by application, secret version and second, not by token: callsWithoutToken counts calls when no token of that version would have been live, " +
		"callsPerhapsWithoutToken those when some would and some would not; tokensExpiredAtLastUse takes each for used whenever its version was."
	resolutionLimits = "Usage is recorded by second, of which the limits' windows are made; what callers would have done after a refusal is not known, nor why recorded calls were refused."
)

// FindWhatIf goes through a history of issuances and usage. now is the end of
// the account, if the history ends before. Some 16 bytes for each token and each
// second with calls fit in memory.
func FindWhatIf(ctx context.Context, h History, a Assumption, now time.Time) (*WhatIf, error) {
	a.Seconds = int(a.TokenLifetime / time.Second)
	s := speculator{clients: map[string]*client{}, reports: map[string]uint64{}}
	found := &WhatIf{Assumption: a, Clients: []Affected{}}
	state, begins, err := h.begin(ctx)
	if err != nil {
		return nil, err
	}
	if found.Begins = begins; begins != nil {
		found.AsOf = *begins
		s.recall(state)
	}
	err = h.Each(ctx, func(r *Record) error {
		for i := range r.Events {
			s.note(&r.Events[i])
		}
		found.AsOf.Position = r.Position
		return nil
	})
	if err != nil {
		return nil, err
	}
	found.AsOf.Time = latest(now, s.time)
	if a.TokenLifetime > 0 {
		found.Resolution = append(found.Resolution, resolutionTokens)
	}
	if a.PerMinute > 0 || a.PerHour > 0 {
		found.Resolution = append(found.Resolution, resolutionLimits)
	}
	for _, c := range s.clients {
		if c.Tokens == 0 && len(c.uses) == 0 {
			continue
		}
		if c.suppose(a); c.affected() {
			found.Affected++
		}
		found.Clients = append(found.Clients, c.Affected)
	}
	slices.SortFunc(found.Clients, func(a, b Affected) int {
		return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Application, b.Application))
	})
	return found, nil
}

// speculator notes what there was.
type speculator struct {
	clients map[string]*client
	reports map[string]uint64  // the last account of each replica
	former  *projections.Usage // before the history; nil: nothing
	time    time.Time
}

// client is what a client did.
type client struct {
	Affected
	issued map[int][]life // by secret version
	uses   map[use]calls  // all accounts of a second taken together
}

// life is when a token began and was to end, in Unix seconds.
type life struct{ from, to int64 }

type use struct {
	second int64
	secret int
}

type calls struct{ admitted, refused int }

func (s *speculator) client(organization, id string) *client {
	c := s.clients[id]
	if c == nil {
		c = &client{issued: map[int][]life{}, uses: map[use]calls{}}
		c.Organization, c.Application = strings.Clone(organization), strings.Clone(id)
		s.clients[c.Application] = c
	}
	return c
}

func (s *speculator) note(e *events.Event) {
	s.time = latest(s.time, e.Time)
	switch d := e.Data.(type) {
	case *events.ApplicationCreated:
		s.client(e.Organization, d.ID).Name = strings.Clone(d.Name)
	case *events.ApplicationUpdated:
		s.client(e.Organization, d.ID).Name = strings.Clone(d.Name)
	case *events.TokenIssued:
		s.issue(e.Organization, d)
	case *events.UsageRecorded:
		if d.Report <= s.report(e.Actor.Replica) {
			return // an account that was written twice counts once
		}
		s.reports[strings.Clone(e.Actor.Replica)] = d.Report
		for _, u := range d.Usage {
			s.client(u.Organization, u.Application).use(u)
		}
	}
}

func (s *speculator) issue(organization string, d *events.TokenIssued) {
	c := s.client(organization, d.Application)
	c.Tokens++
	c.issued[d.Secret] = append(c.issued[d.Secret], life{d.IssuedAt, d.ExpiresAt})
}

func (c *client) use(u events.Usage) {
	at := use{u.Second, u.Secret}
	n := c.uses[at]
	n.admitted += u.Admitted // negative, it takes back
	n.refused += u.Refused
	c.uses[at] = n
}
