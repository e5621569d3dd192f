package command

import (
	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// RecordToken is the fact that a signed token is about to be handed out. The
// fold, not this decision, says whether it lives.
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
	return fact(g.Client.Organization(), issued)
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
