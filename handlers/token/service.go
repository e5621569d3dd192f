package token

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// serviceParameters name the service that a token is asked for.
var serviceParameters = []string{"profile", "environment", "service_uuid"}

// errOnlyClientCredentials is every other grant's answer.
var errOnlyClientCredentials = &command.Error{
	Kind: command.KindUnsupportedGrant, Message: "Only client_credentials grant type is supported",
}

// asksForService reports whether a request is for the token of a service: its
// client is a service's credential, or it names a service and no grant to
// which such parameters mean nothing.
func (e *Endpoint) asksForService(r *http.Request, p oauth.Params) bool {
	if client, err := oauth.ParseClient(r, p); err == nil && strings.HasPrefix(client.ID, events.ServiceClientPrefix) {
		return true
	}
	if _, mounted := e.grants[p["grant_type"]]; mounted && p["grant_type"] != clientCredentialsGrant {
		return false
	}
	for _, name := range serviceParameters {
		if p[name] != "" {
			return true
		}
	}
	return false
}

// serviceGrant decides a request for the token of a service. A client is heard
// once nothing is missing, and told of services once it is known.
func (e *Endpoint) serviceGrant(c echo.Context, p oauth.Params) (grant command.Grant, err error) {
	if p["grant_type"] == "" {
		return grant, command.ErrMissingParameters
	}
	if p["grant_type"] != clientCredentialsGrant {
		return grant, errOnlyClientCredentials
	}
	required := serviceParameters
	if c.Request().Header.Get("Authorization") == "" {
		required = append([]string{"client_id", "client_secret"}, required...)
	}
	for _, name := range required {
		if p[name] == "" {
			return grant, command.ErrMissingParameters
		}
	}
	client, err := e.Authn.Client(c, p)
	if err != nil {
		return grant, err
	}
	now, name := e.Authn.Now(), command.ServiceName{Profile: p["profile"], Environment: p["environment"], UUID: p["service_uuid"]}
	e.Emit.View(func(s *projections.State) { grant, err = command.ServiceToken(s, now, client, name, p["scope"]) })
	return grant, err
}

// serviceClaims are all that a service's token says.
type serviceClaims struct {
	Data     serviceData `json:"data"`
	Scope    string      `json:"scope"`
	IssuedAt int64       `json:"iat"`
	Expires  int64       `json:"exp"`
	ID       string      `json:"jti"`
}

type serviceData struct {
	UUID        string `json:"service_uuid"`
	Profile     string `json:"profile"`
	Environment string `json:"environment"`
}

func serviceForm(g command.Grant, id events.TokenID) form {
	s := g.Client.Service
	return form{alg: "RS256", typ: "JWT", claims: serviceClaims{
		Data:  serviceData{UUID: s.ID, Profile: s.Profile, Environment: s.Environment},
		Scope: g.Scope, IssuedAt: g.IssuedAt.Unix(), Expires: g.ExpiresAt.Unix(), ID: id.String(),
	}}
}
