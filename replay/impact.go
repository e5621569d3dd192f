package replay

import (
	"context"
	"errors"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Suspect is what may have fallen into wrong hands. Exactly one of Application,
// User and Key is set.
type Suspect struct {
	// Application is an application's id or client_id, or the client_id of a
	// service's credential.
	Application string
	// OfSecret leaves out tokens that no secret was needed for; Version, unless
	// 0, those of other versions.
	OfSecret bool
	Version  int
	User     string // a user's id
	Key      string // the kid of a signing key
}

// Impact is what a suspect led to.
type Impact struct {
	AsOf    Bound `json:"asOf"`
	Issued  int   `json:"issued"`
	Live    int   `json:"live"`
	Revoked int   `json:"revoked"`
	Expired int   `json:"expired"`
	// Children are those of them that were given for refresh tokens which came
	// from the suspect, not for what was suspected itself.
	Children int      `json:"children"`
	Tokens   []*Token `json:"tokens"` // in log order
	// Usage is what the guards of all replicas accounted: by application and
	// secret version, not by token.
	Usage []Usage `json:"usage"`
	// Begins is where the account begins, if not with the log: of what is before,
	// which was archived, the tokens that were not expired are in it.
	Begins *Bound `json:"begins,omitempty"`
}

// Usage counts the guarded calls that tokens of one secret version made.
type Usage struct {
	Application string    `json:"applicationId"`
	Secret      int       `json:"secretVersion,omitempty"`
	First       time.Time `json:"first"` // second of the first and the last call
	Last        time.Time `json:"last"`
	Admitted    int       `json:"admitted"`
	Errors      int       `json:"errors"` // of them, answered 400 or above
	Refused     int       `json:"refused"`
	Replicas    []string  `json:"replicas"` // that judged the calls
}

// ErrUnknown is a suspect that the history does not show.
var ErrUnknown = errors.New("the log does not show it by then")

// FindImpact collects every token that came from a suspect. now is when they
// are judged; it counts as no earlier than the history's end. What is found fits
// in memory: some 500 bytes for a token.
func FindImpact(ctx context.Context, h History, s Suspect, now time.Time) (*Impact, error) {
	c := collector{suspect: s, families: map[string]bool{}}
	state, begins, err := h.begin(ctx)
	if err != nil {
		return nil, err
	}
	c.trail = newTrail(state, c.wants)
	impact := &Impact{Tokens: []*Token{}, Usage: []Usage{}, Begins: begins}
	if begins != nil {
		impact.AsOf = *begins
		c.recall()
	}
	err = h.Each(ctx, func(r *Record) error {
		for i := range r.Events {
			if !c.state.Void(r.Position, i) {
				c.recognize(&r.Events[i])
				c.account(&r.Events[i])
			}
			if err := c.apply(r, i); err != nil {
				return err
			}
		}
		impact.AsOf.Position = r.Position
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !c.known || c.suspect.Version > c.versions {
		return nil, ErrUnknown
	}
	impact.AsOf.Time = latest(now, c.state.Time)
	impact.Tokens = append(impact.Tokens, c.found...)
	impact.Usage = append(impact.Usage, c.usage...)
	impact.count()
	return impact, nil
}

// grantRefresh is the grant_type of RFC 6749 section 6.
const grantRefresh = "refresh_token"

func (m *Impact) count() {
	m.Issued = len(m.Tokens)
	for _, t := range m.Tokens {
		t.judge(m.AsOf.Time)
		if t.Grant == grantRefresh {
			m.Children++
		}
		switch t.Status {
		case projections.Live.String():
			m.Live++
		case projections.Expired.String():
			m.Expired++
		default:
			m.Revoked++
		}
	}
}

// collector is a trail of everything that came from a suspect.
type collector struct {
	*trail
	suspect  Suspect
	began    events.Position // of the history; 0: with the log
	known    bool
	versions int             // of its secret
	families map[string]bool // of refresh tokens that came from it: what they gave did, too
	usage    []Usage
}

func (c *collector) wants(d *events.TokenIssued) bool {
	switch {
	case c.suspect.User != "":
		return d.User == c.suspect.User
	case c.suspect.Key != "":
		return d.Key == c.suspect.Key
	}
	return d.Application == c.suspect.Application && (c.ofSecret(d.Secret) || c.descends(d.Family))
}

func (c *collector) ofSecret(version int) bool {
	if c.suspect.Version != 0 {
		return version == c.suspect.Version
	}
	return version != 0 || !c.suspect.OfSecret
}

// recognize finds the suspect, under whichever name it was given.
func (c *collector) recognize(e *events.Event) {
	switch d := e.Data.(type) {
	case *events.ApplicationCreated:
		if d.ID == c.suspect.Application || d.ClientID == c.suspect.Application {
			c.suspect.Application, c.known = d.ID, true
			if d.Secret != nil {
				c.versions = 1
			}
		}
	case *events.RefreshIssued:
		if d.Application == c.suspect.Application && c.ofSecret(d.Secret) {
			c.families[d.Family] = true
		}
	case *events.SecretRotated:
		if d.ID == c.suspect.Application {
			c.versions++
		}
	case *events.ServiceCredentialAdded:
		c.known = c.known || d.ClientID == c.suspect.Application
	case *events.UserCreated:
		c.known = c.known || d.ID == c.suspect.User
	case *events.KeyCreated:
		c.known = c.known || d.ID == c.suspect.Key
	}
}
