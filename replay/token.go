package replay

import (
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Token is a token and what became of it.
type Token struct {
	ID           events.TokenID `json:"jti"`
	Application  string         `json:"applicationId"` // or the client_id of a service's credential
	Organization string         `json:"organizationId"`
	Secret       int            `json:"secretVersion,omitempty"` // that it was decided on; 0: public client or credential
	User         string         `json:"userId,omitempty"`
	Service      string         `json:"serviceUuid,omitempty"`
	Family       string         `json:"familyId,omitempty"` // of the refresh tokens that it goes with
	Grant        string         `json:"grantType"`
	Scope        string         `json:"scope"`
	Key          string         `json:"kid"`
	IssuedAt     time.Time      `json:"issuedAt"`
	ExpiresAt    time.Time      `json:"expiresAt"`
	// Status at the moment of the account: live, revoked (ended before its
	// time) or expired.
	Status string `json:"status"`
	Issued Step   `json:"issued"`
	// End is what ended the token or, of a live one, is already known to end
	// it before its time.
	End *End `json:"end,omitempty"`
}

// End is the end of a token.
type End struct {
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	// Event ended it; absent where time alone did.
	Event *Step `json:"event,omitempty"`
}

// Reasons of ends that no revocation gives.
const (
	ReasonExpired       = "expired"
	ReasonDeadOnArrival = "dead_on_arrival" // what it was decided on had ended before it was recorded
	ReasonEarlier       = "earlier"         // something before the account, which begins amid the log
)

func tokenOf(t projections.Token, issued Step) *Token {
	return &Token{
		ID: t.ID, Application: t.Application, Organization: t.Organization, Secret: t.Secret,
		User: t.User, Service: t.Service, Family: t.Family, Grant: t.Grant, Scope: t.Scope, Key: t.Key,
		IssuedAt: time.Unix(t.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(t.ExpiresAt, 0).UTC(),
		Issued: issued,
	}
}

// over reports whether a token has ended by a time, and notes it if it expired.
func (t *Token) over(now time.Time) bool {
	switch {
	case t.End != nil && !now.Before(t.End.At):
		return true
	case now.Unix() >= t.ExpiresAt.Unix():
		t.End = &End{Reason: ReasonExpired, At: t.ExpiresAt}
		return true
	}
	return false
}

// judge sets the status at a time that is not before what was noted.
func (t *Token) judge(now time.Time) {
	switch {
	case !t.over(now):
		t.Status = projections.Live.String()
	case t.End.Reason == ReasonExpired:
		t.Status = projections.Expired.String()
	default:
		t.Status = projections.Revoked.String()
	}
}
