package projections

import (
	"slices"
	"time"

	"github.com/grantlog/grantlog/events"
)

// RefreshFamily is all refresh tokens that descend from one login: a chain, in
// which each has one successor. Values are immutable.
type RefreshFamily struct {
	ID           string `json:"id"`
	Organization string `json:"organization"`
	Application  string `json:"application"`
	// Secret is the newest version of the client secret that a token of the
	// family was given out on; 0: public client. With it the family ends.
	Secret    int             `json:"secret,omitempty"`
	User      string          `json:"user,omitempty"`
	Scope     string          `json:"scope,omitempty"`
	IssuedAt  int64           `json:"issuedAt"`  // Unix seconds: when the user logged in
	ExpiresAt int64           `json:"expiresAt"` // Unix seconds
	Position  events.Position `json:"position"`  // of the record that started it
	Ordinal   int             `json:"ordinal,omitempty"`
	// Current is the token in force, Former are those that were used, oldest
	// first: Current is the successor of the last one. An ended family has
	// forgotten them.
	Current events.TokenDigest   `json:"current"`
	Former  []events.TokenDigest `json:"former,omitempty"`
	// Repeatable: the last one was used with an Idempotency-Key.
	Repeatable bool `json:"repeatable,omitempty"`
	// Ended is why the family ended before its time, and EndedAt when (Unix
	// seconds). What it ended together with others is not noted here; see
	// State.Refreshable.
	Ended   string `json:"ended,omitempty"`
	EndedAt int64  `json:"endedAt,omitempty"`
	// Told: an event on the revocations subject says that it ended.
	Told bool `json:"told,omitempty"`
}

// Reasons for which families end.
const (
	ReasonReused        = "refresh_token_reused" // a used token was presented
	ReasonFamilyRevoked = "refresh_token_revoked"
)

// decidedOn is the family in the form in which State.backs judges.
func (f *RefreshFamily) decidedOn() *Token {
	return &Token{
		Position: f.Position, Ordinal: f.Ordinal, Organization: f.Organization,
		Application: f.Application, Secret: f.Secret, User: f.User,
	}
}

// retention is how long a family is kept after its end: no access token that
// came from it lives longer.
const retention = MaxTokenLifetime + time.Hour

// forgotten is when it is, in Unix seconds of log time.
func (f *RefreshFamily) forgotten() int64 {
	end := f.ExpiresAt
	if f.Ended != "" {
		end = min(end, f.EndedAt)
	}
	return end + int64(retention/time.Second)
}

// Refreshes is what the log says of refresh tokens: some 100 bytes for each
// that was used, until its family ends.
type Refreshes struct {
	families map[string]*RefreshFamily
	tokens   map[events.TokenDigest]string // → family that has not ended
	untold   map[string]struct{}           // families whose reuse listeners were not told of
	due      map[int64][]string            // hour of log time → families to forget
	swept    int64                         // the last hour whose families were forgotten
}

func newRefreshes() *Refreshes {
	return &Refreshes{
		families: map[string]*RefreshFamily{}, tokens: map[events.TokenDigest]string{},
		untold: map[string]struct{}{}, due: map[int64][]string{}, swept: hour(time.Time{}.Unix()),
	}
}

// Get finds a family by its id.
func (p *Refreshes) Get(id string) (*RefreshFamily, bool) {
	f, ok := p.families[id]
	return f, ok
}

// Len counts the families that are not forgotten.
func (p *Refreshes) Len() int { return len(p.families) }

// ByToken finds the family of a refresh token, used or not. Those of a family
// that ended are unknown.
func (p *Refreshes) ByToken(digest events.TokenDigest) (*RefreshFamily, bool) {
	return p.Get(p.tokens[digest])
}

// Untold lists the families that ended by reuse at or before a time (Unix
// seconds) without an event that tells listeners.
func (p *Refreshes) Untold(ended int64) (untold []*RefreshFamily) {
	for id := range p.untold {
		if f := p.families[id]; f.EndedAt <= ended {
			untold = append(untold, f)
		}
	}
	return untold
}

// backs reports whether an access token's family has not ended.
func (p *Refreshes) backs(t *Token) bool {
	f, ok := p.families[t.Family]
	return ok && f.Ended == "" && f.Organization == t.Organization && f.Application == t.Application
}

// Presentation is what the log makes of a refresh token that is presented.
type Presentation int

const (
	// Refused: the token is unknown, another client's, expired or ended. The
	// presentation changes nothing.
	Refused Presentation = iota
	// Rotated: the token is in force; its successor takes its place.
	Rotated
	// Repeated: the presentation that was successful, once more, by a client
	// that may not have had the answer.
	Repeated
	// Reused: the token was used before. Its family ends.
	Reused
)

// Judge says what a presentation comes to if it is the next event.
func (s *State) Judge(organization string, d *events.RefreshPresented, now time.Time) Presentation {
	f, ok := s.Refreshes.ByToken(d.Digest)
	if !ok || f.ID != d.Family || f.Organization != organization || f.Application != d.Application || !s.Refreshable(f, now) {
		return Refused
	}
	if a, ok := s.Applications.Get(f.Application); !ok || !a.backs(d.Secret, now) {
		return Refused // decided on a secret that ended before it landed
	}
	if d.Digest == f.Current {
		if s.Refreshes.knows(d.Successor) || d.Successor == (events.TokenDigest{}) {
			return Refused
		}
		return Rotated
	}
	if last := len(f.Former) - 1; d.Digest == f.Former[last] && d.Successor == f.Current && d.Repeatable && f.Repeatable {
		return Repeated
	}
	return Reused
}

// Refreshable reports whether a family's current token is good for anything at
// now: the family has not ended or expired, and neither has what it was
// decided on.
func (s *State) Refreshable(f *RefreshFamily, now time.Time) bool {
	return f.Ended == "" && now.Unix() < f.ExpiresAt && s.backs(f.decidedOn(), now)
}

// Descends reports whether the log shows that a refresh token is one of a
// family that has not ended: after a presentation, whether it counted.
func (p *Refreshes) Descends(token events.TokenDigest, family string) bool {
	return family != "" && p.tokens[token] == family
}

func (p *Refreshes) knows(digest events.TokenDigest) bool {
	_, ok := p.tokens[digest]
	return ok
}

// digests lists the tokens by which the family is found. Whoever reads a log
// without its digests finds families by their id alone.
func (f *RefreshFamily) digests() []events.TokenDigest {
	if f.Ended != "" || f.Current == (events.TokenDigest{}) {
		return nil
	}
	return append(slices.Clip(f.Former), f.Current)
}
