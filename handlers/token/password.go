package token

import (
	"cmp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/login"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
)

const passwordGrant = "password"

// password decides a request of RFC 6749 section 4.3. The partner whose user it
// is stands in the query; the user's address is called email or, as the RFC
// has it, username.
func (e *Endpoint) password(c echo.Context, _ time.Time, client command.Client, p oauth.Params) (grant Granted, err error) {
	partner, err := partnerOf(c)
	if err != nil {
		return grant, err
	}
	email := cmp.Or(p["email"], p["username"])
	switch {
	case partner == "" || email == "" || p["password"] == "":
		return grant, command.ErrMissingParameters
	case p["username"] != "" && p["username"] != email:
		return grant, oauth.Invalid("The email and username differ")
	}
	var scope string
	e.Emit.View(func(s *projections.State) { scope, err = command.PasswordClient(s, client, partner, p["scope"]) })
	if err != nil {
		return grant, err
	}
	user, err := e.Logins.Check(c.Request().Context(), login.Attempt{
		Organization: client.Organization(), Email: email, Password: p["password"], Address: c.RealIP(),
		Meta: emit.Meta{Actor: events.Actor{Application: client.ID()}, Correlation: oauth.RequestID(c)},
	})
	if err != nil {
		return grant, err
	}
	return e.withRefresh(command.PasswordGrant(e.Authn.Now(), client, partner, user, scope)), nil
}

func partnerOf(c echo.Context) (string, error) {
	query, err := page.Query(c.Request())
	if err != nil {
		return "", err
	}
	return page.One(query, "partnerId")
}

// userClaims are those of a token for a password, in the order in which servers
// that this one stands in for have them.
type userClaims struct {
	NotBefore  int64    `json:"nbf"`
	Expires    int64    `json:"exp"`
	Issuer     string   `json:"iss"`
	Audience   string   `json:"aud"`
	ClientID   string   `json:"client_id"`
	Subject    string   `json:"sub"`
	AuthTime   int64    `json:"auth_time"`
	Provider   string   `json:"idp"`
	UserID     string   `json:"userId"`
	PartnerID  string   `json:"partnerId"`
	Thumbprint string   `json:"thumbprint"`
	Success    string   `json:"success"`
	Role       string   `json:"role"`
	ID         string   `json:"jti"`
	IssuedAt   int64    `json:"iat"`
	Scope      []string `json:"scope"` // unlike RFC 9068 section 2.2.3
	Methods    []string `json:"amr"`   // RFC 8176
}

func (e *Endpoint) userForm(g command.Grant, id events.TokenID) form {
	app, issuedAt := g.Client.Application, g.IssuedAt.Unix()
	return form{alg: "RS256", typ: typ, named: func(thumbprint string) any {
		return userClaims{
			NotBefore: issuedAt, Expires: g.ExpiresAt.Unix(), Issuer: e.Issuer, Audience: cmp.Or(app.Audience, e.Issuer),
			ClientID: app.ClientID, Subject: g.User.ID, AuthTime: g.LoggedIn.Unix(), Provider: "local",
			UserID: g.User.ID, PartnerID: g.Partner, Thumbprint: thumbprint, Success: "True", Role: g.User.Role,
			ID: id.String(), IssuedAt: issuedAt, Scope: append([]string{}, strings.Fields(g.Scope)...), Methods: []string{"pwd"},
		}
	}}
}
