package projections

import (
	"crypto/subtle"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Liveness is what the log says of a token at a moment.
type Liveness int

const (
	// Unknown: the log does not show the token, or not that exact string.
	// One whose lifetime is over becomes unknown when its minute is swept.
	Unknown Liveness = iota
	// Live: issued, unexpired, and nothing ended it.
	Live
	// Expired: its lifetime is over, whatever else happened to it.
	Expired
	// Revoked: something in the log ended it, or it never was alive.
	Revoked
)

func (l Liveness) String() string {
	switch l {
	case Live:
		return "live"
	case Expired:
		return "expired"
	case Revoked:
		return "revoked"
	}
	return "unknown"
}

// Token is an issued access token, as the log shows it.
type Token struct {
	ID           events.TokenID
	Digest       events.TokenDigest
	Position     events.Position // of the record that issued it
	Ordinal      int             // place in that record
	Application  string          // application id, or the client_id of a service's credential
	Organization string
	Secret       int    // version of the client secret it was decided on; 0: public client or credential
	User         string // user id
	Service      string // uuid of the service it opens, if a credential got it
	Family       string // of the refresh tokens that it goes with
	Grant        string // grant_type
	Scope        string // space-delimited
	Key          string // kid
	IssuedAt     int64  // Unix seconds
	ExpiresAt    int64  // Unix seconds
	// Ended: revoked by itself, or dead on arrival. What ended it together
	// with others (its secret, application, service) is not noted here; see
	// State.Liveness.
	Ended bool
}

// Place says where the token stands in its application's listing.
func (t Token) Place() TokenPlace {
	return TokenPlace{Position: t.Position, Ordinal: t.Ordinal, ID: t.ID}
}

// Token finds an issued token that the log has not swept yet.
func (s *State) Token(id events.TokenID) (Token, bool) {
	table := s.whole()
	slot := table.find(id)
	if slot == 0 {
		return Token{}, false
	}
	return table.view(slot), true
}

// Lookup finds a token by its jti and judges it. A digest other than that of
// the string that was issued gives Unknown, and takes as long.
func (s *State) Lookup(id events.TokenID, digest events.TokenDigest, now time.Time) (Token, Liveness) {
	t, ok := s.Token(id)
	if !ok || !t.Is(digest) {
		return Token{}, Unknown
	}
	return t, s.Liveness(t, now)
}

// Is reports whether a digest is that of the string that was issued.
func (t *Token) Is(digest events.TokenDigest) bool {
	return subtle.ConstantTimeCompare(t.Digest[:], digest[:]) == 1
}

// Liveness judges a token that State.Token, Lookup or TokensOf returned: it is
// live if it has not expired at now and nothing in the log ended it, its
// secret, its application, its user, its family of refresh tokens or all of its
// organization; or, of a
// service's token, its credential, its service or that one's authentication.
func (s *State) Liveness(t Token, now time.Time) Liveness {
	if now.Unix() >= t.ExpiresAt {
		return Expired
	}
	if t.Ended {
		return Revoked
	}
	if !s.backs(&t, now) {
		return Revoked
	}
	return Live
}

// backs reports whether what a token was decided on counts at now.
func (s *State) backs(t *Token, now time.Time) bool {
	if !s.Organizations.backs(t) {
		return false
	}
	if t.User != "" && !s.Users.backs(t) || t.Family != "" && !s.Refreshes.backs(t) {
		return false
	}
	if t.Service != "" {
		return s.Services.backs(t)
	}
	a, ok := s.Applications.Get(t.Application)
	if !ok || a.Organization != t.Organization || a.Disabled || !a.backs(t.Secret, now) {
		return false
	}
	// Later than its application's creation too: an id that the log shows
	// again after a deletion must not revive what the deletion ended.
	return t.Position > a.Created && t.Position > a.TokensEnded
}

// backs reports whether a token decided on a secret version counts at now.
func (a *Application) backs(secret int, now time.Time) bool {
	if secret == 0 {
		return a.Public()
	}
	s, ok := a.Secret(secret)
	return ok && s.Live(now)
}

// issue records a token as the log shows it. The log's order judges it: on a
// secret or for an application, user, family, credential or service that ended
// before, it is dead on arrival and nothing revives it. Of two with one jti the
// first counts.
func (s *State) issue(at at, d *events.TokenIssued) {
	if s.Tokens.find(d.ID) != 0 {
		if p := s.Tokens.partial; p != nil {
			p.repeated = true
		}
		return
	}
	n := Token{
		ID: d.ID, Digest: d.Digest, Position: at.position, Ordinal: at.ordinal,
		Application: d.Application, Organization: at.organization, Secret: d.Secret,
		User: d.User, Service: d.Service, Family: d.Family, Grant: d.Grant, Scope: d.Scope, Key: d.Key,
		IssuedAt: d.IssuedAt, ExpiresAt: d.ExpiresAt,
	}
	n.Ended = !s.backs(&n, at.time) || d.User != "" && !s.Users.decided(d.User, d.UserVersion) || d.Family != "" && !s.refreshed(d, at.time)
	s.Tokens.insert(&n)
}

// refreshed reports whether a token's family may give out tokens at now.
func (s *State) refreshed(d *events.TokenIssued, now time.Time) bool {
	f, ok := s.Refreshes.Get(d.Family)
	return ok && s.Refreshable(f, now)
}

// revoke ends a token, if it is the named application's and that belongs to
// the organization whose subject the event was written to.
func (s *State) revoke(at at, d *events.TokenRevoked) {
	if p := s.Tokens.partial; p != nil {
		p.missed(at, d)
	}
	slot := s.Tokens.find(d.ID)
	if slot == 0 {
		return
	}
	if t := s.Tokens.view(slot); t.Organization == at.organization && t.Application == d.Application {
		s.Tokens.edit(slot).end()
	}
}
