package applications

import (
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/projections"
)

// application is how clients see one. TokenLifetime (seconds), SigningAlg and
// GrantTypes are those in effect; an absent audience is the issuer, absent
// limits are the server's.
type application struct {
	ID              string         `json:"id"`
	ClientID        string         `json:"clientId"`
	ClientSecret    string         `json:"clientSecret,omitempty"` // once
	Name            string         `json:"name"`
	Description     string         `json:"description"`
	Scopes          []string       `json:"scopes"`
	OrganizationID  string         `json:"organizationId"`
	Public          bool           `json:"public"`
	Disabled        bool           `json:"disabled,omitempty"`
	CreatedAt       time.Time      `json:"createdAt"`
	UpdatedAt       time.Time      `json:"updatedAt"`
	SecretCreatedAt *time.Time     `json:"secretCreatedAt,omitempty"` // absent for a public client
	SecretExpiresAt *time.Time     `json:"secretExpiresAt,omitempty"` // of the former secret, while both count
	TokenLifetime   int            `json:"tokenLifetime"`
	SigningAlg      string         `json:"signingAlg"`
	Audience        string         `json:"audience,omitempty"`
	Limits          *events.Limits `json:"limits,omitempty"`
	GrantTypes      []string       `json:"grantTypes"`
	RedirectURIs    []string       `json:"redirectUris"`
}

func answerOf(app *projections.Application, now time.Time) application {
	a := application{
		ID: app.ID, ClientID: app.ClientID, Name: app.Name, Description: app.Description,
		Scopes: list(app.Scopes), OrganizationID: app.Organization, Public: app.Public(), Disabled: app.Disabled,
		CreatedAt: app.CreatedAt, UpdatedAt: app.UpdatedAt,
		TokenLifetime: int(app.TokenLife().Seconds()), SigningAlg: app.Alg(), Audience: app.Audience,
		GrantTypes: list(app.GrantTypes), RedirectURIs: list(app.RedirectURIs),
	}
	if app.Limits != (events.Limits{}) {
		a.Limits = &app.Limits
	}
	if len(app.GrantTypes) == 0 && app.MayUse("client_credentials") {
		a.GrantTypes = []string{"client_credentials"}
	}
	if current, ok := app.Current(); ok {
		a.SecretCreatedAt = &current.CreatedAt
		for _, former := range app.Secrets[:len(app.Secrets)-1] {
			if former.Live(now) && (a.SecretExpiresAt == nil || former.EndsAt.After(*a.SecretExpiresAt)) {
				a.SecretExpiresAt = &former.EndsAt
			}
		}
	}
	return a
}

// list makes an absent list an empty one.
func list(values []string) []string { return append([]string{}, values...) }

// answer shows an application as it is at a time; secret is its new one, if it
// has.
func answer(c echo.Context, status int, app *projections.Application, secret string, now time.Time) error {
	body := answerOf(app, now)
	body.ClientSecret = secret
	c.Response().Header().Set("ETag", consistency.ETag(c, app.Revision))
	return manage.JSON(c, status, body)
}
