package replay

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// tokens are those that a state shows and that had not expired, with what their
// issuances said of them.
func tokens(s *projections.State) iter.Seq2[projections.Token, *events.TokenIssued] {
	return func(yield func(projections.Token, *events.TokenIssued) bool) {
		for _, client := range Clients(s) {
			for t := range s.TokensOf(client.ID, nil) {
				if t.ExpiresAt > s.Time.Unix() && !yield(t, issuanceOf(t)) {
					return
				}
			}
		}
	}
}

func issuanceOf(t projections.Token) *events.TokenIssued {
	return &events.TokenIssued{
		ID: t.ID, Application: t.Application, Secret: t.Secret, User: t.User, Service: t.Service, Family: t.Family,
		Grant: t.Grant, Scope: t.Scope, Key: t.Key, IssuedAt: t.IssuedAt, ExpiresAt: t.ExpiresAt,
	}
}

// recall finds tokens in the state that a history begins with. What is known of
// their issuances is when they were.
func (t *trail) recall() {
	var held []projections.Token
	for token, d := range tokens(t.state) {
		if t.wants(d) {
			held = append(held, token)
		}
	}
	slices.SortFunc(held, func(a, b projections.Token) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	for _, h := range held {
		token := tokenOf(h, Step{
			Position: h.Position, Time: time.Unix(h.IssuedAt, 0).UTC(), Type: (*events.TokenIssued)(nil).EventType(), Organization: h.Organization,
		})
		t.add(token)
		if t.state.Liveness(h, t.state.Time) == projections.Revoked {
			token.End = &End{Reason: ReasonEarlier, At: t.state.Time}
			continue
		}
		t.follow(token)
	}
}

// recall finds the suspect in the state that a history begins with.
func (c *collector) recall() {
	s := c.state
	a, ok := s.Applications.Get(c.suspect.Application)
	if !ok {
		a, ok = s.Applications.ByClientID(c.suspect.Application)
	}
	if ok {
		c.suspect.Application, c.versions = a.ID, a.Versions
	}
	_, credential := s.Services.ByClientID(c.suspect.Application)
	_, user := s.Users.Get(c.suspect.User)
	_, key := s.Keys.Get(c.suspect.Key)
	c.known = ok || credential || user || key
	c.began = s.Position
	c.trail.recall()
}

// descends reports whether refresh tokens came from the suspect. Of a family that
// began before the history, the newest secret it was given out on tells.
func (c *collector) descends(family string) bool {
	if c.families[family] {
		return true
	}
	f, ok := c.state.Refreshes.Get(family)
	return ok && f.Position <= c.began && f.Application == c.suspect.Application && c.ofSecret(f.Secret)
}

// recall notes what the state shows that a history begins with.
func (s *speculator) recall(from *projections.State) {
	s.time, s.former = from.Time, from.Usage
	for _, organization := range from.Organizations.IDs() {
		for _, a := range from.Applications.After(organization, 0, 0) {
			s.client(organization, a.ID).Name = a.Name
		}
	}
	for t, d := range tokens(from) {
		s.issue(t.Organization, d)
	}
}

// report is the last account of a replica.
func (s *speculator) report(replica string) uint64 {
	if n, ok := s.reports[replica]; ok || s.former == nil {
		return n
	}
	return s.former.Report(replica).Number
}
