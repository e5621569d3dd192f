package token

import (
	"cmp"
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

// form is the kind of JWT that a grant gets.
type form struct {
	alg, typ string
	claims   any
	// named makes the claims instead if they name the key that signs them.
	named func(thumbprint string) any
}

func (e *Endpoint) sign(f form) (token, kid string, err error) {
	if f.named != nil {
		return e.Signer.SignWith(f.alg, f.typ, func(thumbprint string) ([]byte, error) {
			return json.Marshal(f.named(thumbprint))
		})
	}
	payload, err := json.Marshal(f.claims)
	if err != nil {
		return "", "", err
	}
	return e.Signer.Sign(f.alg, f.typ, payload)
}

func (e *Endpoint) form(g command.Grant, id events.TokenID) form {
	if g.Client.Service != nil {
		return serviceForm(g, id)
	}
	if g.User != nil {
		return e.userForm(g, id)
	}
	app := g.Client.Application
	return form{alg: app.Alg(), typ: typ, claims: claims{
		Issuer: e.Issuer, Audience: cmp.Or(app.Audience, e.Issuer),
		ClientID: app.ClientID, Subject: app.ClientID, ID: id.String(),
		IssuedAt: g.IssuedAt.Unix(), Expires: g.ExpiresAt.Unix(), Scope: g.Scope,
	}}
}

// issued is a token that is durable and visible on this replica.
type issued struct {
	token    string
	position events.Position
}

// issue signs a token, records it and asks the log for its verdict. The token
// is handed out only if the log shows it live: if the secret was rotated, or
// the application, credential or service deleted, the user disabled, or the
// refresh token used by somebody else, before the issuance landed, it was dead
// on arrival and the client is refused as if it had come later.
func (e *Endpoint) issue(c echo.Context, grantType string, g command.Grant) (issued, error) {
	ctx, id := c.Request().Context(), events.NewTokenID()
	f := e.form(g, id)
	if err := e.EnsureKey(ctx, f.alg); err != nil {
		return issued{}, err
	}
	token, kid, err := e.sign(f)
	if err != nil {
		return issued{}, err
	}
	digest := authn.Digest(token)
	meta := metaOf(c, g)
	position, err := e.Emit.Do(ctx, meta, func(*projections.State, time.Time) (command.Decision, error) {
		return command.RecordToken(g, grantType, id, digest, kid)
	})
	if err != nil {
		return issued{}, err
	}
	e.Emit.View(func(s *projections.State) {
		if _, verdict := s.Lookup(id, digest, g.IssuedAt); verdict != projections.Live || !descends(s, g.Refresh) {
			err = command.RefusedToken(s, g)
		}
	})
	if err != nil && g.Refresh != nil {
		e.tellReuse(ctx, meta, g.Refresh.Family)
	}
	return issued{token: token, position: position}, err
}

func metaOf(c echo.Context, g command.Grant) emit.Meta {
	meta := emit.Meta{Actor: events.Actor{Application: g.Client.ID()}, Correlation: oauth.RequestID(c)}
	if g.User != nil {
		meta.Actor.User = g.User.ID
	}
	return meta
}
