package command

import (
	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// RecordToken is the fact that a signed token is about to be handed out and,
// in the same record before it, what becomes of the refresh token that goes
// with it. The fold, not this decision, says whether they live.
func RecordToken(g Grant, grantType string, id events.TokenID, digest events.TokenDigest, key string) (Decision, error) {
	issued := &events.TokenIssued{
		ID: id, Digest: digest,
		Application: g.Client.ID(), Secret: g.Client.Secret,
		Grant: grantType, Scope: g.Scope, Key: key,
		IssuedAt: g.IssuedAt.Unix(), ExpiresAt: g.ExpiresAt.Unix(),
	}
	if g.Client.Service != nil {
		issued.Service = g.Client.Service.ID
	}
	if g.User != nil {
		issued.User, issued.UserVersion = g.User.ID, g.User.Version
	}
	if g.Refresh == nil {
		return fact(g.Client.Organization(), issued)
	}
	issued.Family = g.Refresh.Family
	d, err := fact(g.Client.Organization(), g.Refresh.Fact)
	d.Events = append(d.Events, issued)
	return d, err
}

// Reasons that events and revocation feeds give.
const (
	ReasonClient        = "revoked_by_client"
	ReasonAdministrator = "revoked_by_administrator"
)

// RevokeToken ends one token.
func RevokeToken(t projections.Token, reason string) (Decision, error) {
	return fact(t.Organization, &events.TokenRevoked{ID: t.ID, Application: t.Application, Reason: reason})
}
