package replay

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Tally counts the tokens of one client between two moments. What lived before,
// plus what was issued, less what was dead on arrival, revoked and expired, is
// what lives after.
type Tally struct {
	Organization  string `json:"organizationId"`
	Application   string `json:"applicationId"` // or the client_id of a service's credential
	Before        int    `json:"liveBefore"`
	Issued        int    `json:"issued"`
	DeadOnArrival int    `json:"deadOnArrival"`
	Revoked       int    `json:"revoked"`
	Expired       int    `json:"expired"`
	After         int    `json:"liveAfter"`
}

// counter keeps tallies beside a state that is being folded. It is told of each
// event before and after it is applied.
type counter struct {
	state   *projections.State
	tallies map[string]*Tally
	due     []deadline
	now     time.Time // the log's time, and no earlier than the first moment

	ending projections.Ending // what the event that is being applied ends, if anything
}

// deadline is a time at which secrets of an application end by themselves.
type deadline struct {
	at          time.Time
	application string
}

func newCounter(s *projections.State, now time.Time) *counter {
	c := &counter{state: s, tallies: map[string]*Tally{}, now: now}
	for _, client := range Clients(s) {
		if n := LiveTokens(s, client.ID, now); n > 0 {
			c.tally(client).Before = n
		}
		if a, ok := s.Applications.Get(client.ID); ok {
			for _, secret := range a.Secrets {
				c.expect(deadline{secret.EndsAt, a.ID})
			}
		}
	}
	return c
}

func (c *counter) tally(client Client) *Tally {
	t := c.tallies[client.ID]
	if t == nil {
		t = &Tally{Organization: strings.Clone(client.Organization), Application: client.ID}
		c.tallies[client.ID] = t
	}
	return t
}

// before moves the clock to an event that is about to be applied and counts
// the live tokens that it may end.
func (c *counter) before(r *Record, i int) (live map[Client]int) {
	e := &r.Events[i]
	c.advance(e.Time)
	var ends bool
	if c.ending, ends = c.state.EndingOf(r.Position, i, e); !ends {
		return nil
	}
	live = map[Client]int{}
	for _, client := range c.concerned(c.ending) {
		live[client] = c.liveOf(client, c.ending)
	}
	return live
}

// after counts what the event that was applied changed.
func (c *counter) after(r *Record, i int, live map[Client]int) {
	e := &r.Events[i]
	for client, before := range live {
		if ended := before - c.liveOf(client, c.ending); ended > 0 {
			c.tally(client).Revoked += ended
		}
	}
	switch d := e.Data.(type) {
	case *events.SecretRotated:
		c.expect(deadline{d.EndsAt, d.ID})
	case *events.TokenIssued:
		if t, ok := c.state.Token(d.ID); ok && t.Position == r.Position && t.Ordinal == i {
			tally := c.tally(Client{t.Organization, t.Application})
			tally.Issued++
			if t.Ended {
				tally.DeadOnArrival++
			}
		}
	}
}

// concerned lists the clients whose tokens an event may end.
func (c *counter) concerned(n projections.Ending) []Client {
	switch {
	case n.Application != "":
		return []Client{{n.Organization, n.Application}}
	case n.Service != "":
		s, ok := c.state.Services.Get(n.Service)
		if !ok {
			return nil
		}
		return credentials(s)
	case n.Everything():
		return slices.DeleteFunc(Clients(c.state), func(client Client) bool { return client.Organization != n.Organization })
	}
	var clients []Client
	for _, a := range c.state.Applications.After(n.Organization, 0, 0) {
		clients = append(clients, Client{a.Organization, a.ID})
	}
	return clients
}

// liveOf counts a client's live tokens, or those of the user or the one token
// that an ending is about.
func (c *counter) liveOf(client Client, n projections.Ending) (live int) {
	if n.Token != nil {
		if t, ok := c.state.Token(*n.Token); ok && c.state.Liveness(t, c.now) == projections.Live {
			return 1
		}
		return 0
	}
	for t := range c.state.TokensOf(client.ID, nil) {
		if (n.User == "" || n.User == t.User) && c.state.Liveness(t, c.now) == projections.Live {
			live++
		}
	}
	return live
}

func (c *counter) expect(d deadline) {
	if d.at.After(c.now) && !slices.Contains(c.due, d) {
		c.due = append(c.due, d)
	}
}

// advance moves the clock and counts what ends by itself on the way.
func (c *counter) advance(to time.Time) {
	slices.SortStableFunc(c.due, func(a, b deadline) int { return a.at.Compare(b.at) })
	for len(c.due) > 0 && !c.due[0].at.After(to) {
		at, application := c.due[0].at, c.due[0].application
		c.due = c.due[1:]
		for t := range c.state.TokensOf(application, nil) {
			if c.state.Liveness(t, at.Add(-1)) == projections.Live && c.state.Liveness(t, at) == projections.Revoked {
				c.tally(Client{t.Organization, t.Application}).Revoked++
			}
		}
	}
	c.now = latest(c.now, to)
}

// close returns the tallies at the second moment.
func (c *counter) close(now time.Time) []Tally {
	c.advance(now)
	for _, client := range Clients(c.state) {
		if n := LiveTokens(c.state, client.ID, c.now); n > 0 {
			c.tally(client).After = n
		}
	}
	out := make([]Tally, 0, len(c.tallies))
	for _, t := range c.tallies {
		t.Expired = t.Before + t.Issued - t.DeadOnArrival - t.Revoked - t.After
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b Tally) int {
		return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Application, b.Application))
	})
	return out
}
