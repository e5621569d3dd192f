package token

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// typ is the media type of access tokens (RFC 9068 section 2.1).
const typ = "at+jwt"

// claims are those of RFC 9068 section 2.2.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	Subject  string `json:"sub"`
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	Scope    string `json:"scope,omitempty"`
}

// issue signs a token, records it and asks the log for its verdict. The token
// is handed out only if the log shows it live: if the secret was rotated, or
// the application deleted, before the issuance landed, it was dead on arrival
// and the client is refused as if it had come later.
func (e *Endpoint) issue(ctx context.Context, c echo.Context, grantType string, g command.Grant) (issued, error) {
	app, id := g.Client.Application, events.NewTokenID()
	payload, err := json.Marshal(claims{
		Issuer: e.Issuer, Audience: cmp.Or(app.Audience, e.Issuer),
		ClientID: app.ClientID, Subject: app.ClientID, ID: id.String(),
		IssuedAt: g.IssuedAt.Unix(), Expires: g.ExpiresAt.Unix(), Scope: g.Scope,
	})
	if err != nil {
		return issued{}, err
	}
	if err := e.EnsureKey(ctx, app.Alg()); err != nil {
		return issued{}, err
	}
	token, kid, err := e.Signer.Sign(app.Alg(), typ, payload)
	if err != nil {
		return issued{}, err
	}
	digest := authn.Digest(token)
	meta := emit.Meta{Actor: events.Actor{Application: app.ID}, Correlation: oauth.RequestID(c)}
	position, err := e.Emit.Do(ctx, meta, func(*projections.State, time.Time) (command.Decision, error) {
		return command.RecordToken(g, grantType, id, digest, kid)
	})
	if err != nil {
		return issued{}, err
	}
	var verdict projections.Liveness
	e.Emit.View(func(s *projections.State) { _, verdict = s.Lookup(id, digest, g.IssuedAt) })
	if verdict != projections.Live {
		return issued{}, command.ErrInvalidClient
	}
	return issued{token: token, position: position}, nil
}
