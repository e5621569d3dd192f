package main

import (
	"errors"
	"io"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/replay"
)

// answer is what "grantlog replay" found.
type answer interface {
	// print writes it in a form; empty: what suits w.
	print(w io.Writer, form outForm) error
}

// The bodies below are those of the HTTP interface, whose answers they are
// when a server is asked.

type applicationBody struct {
	ID              string         `json:"id"`
	ClientID        string         `json:"clientId"`
	Name            string         `json:"name"`
	Description     string         `json:"description"`
	Scopes          []string       `json:"scopes"`
	OrganizationID  string         `json:"organizationId"`
	Public          bool           `json:"public"`
	Disabled        bool           `json:"disabled,omitempty"`
	CreatedAt       time.Time      `json:"createdAt"`
	UpdatedAt       time.Time      `json:"updatedAt"`
	SecretCreatedAt *time.Time     `json:"secretCreatedAt,omitempty"`
	SecretExpiresAt *time.Time     `json:"secretExpiresAt,omitempty"`
	TokenLifetime   int            `json:"tokenLifetime"`
	SigningAlg      string         `json:"signingAlg"`
	Audience        string         `json:"audience,omitempty"`
	Limits          *events.Limits `json:"limits,omitempty"`
	GrantTypes      []string       `json:"grantTypes"`
	RedirectURIs    []string       `json:"redirectUris"`
}

type tokenBody struct {
	ID        string    `json:"jti"`
	IssuedAt  time.Time `json:"issuedAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	Scope     string    `json:"scope"`
}

type organizationBody struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	PartnerID string         `json:"partnerId,omitempty"`
	Limits    *events.Limits `json:"limits,omitempty"`
	Disabled  bool           `json:"disabled,omitempty"`
	Scopes    []events.Scope `json:"scopes"`
	CreatedAt time.Time      `json:"createdAt"`
}

// clientBody is an application in the account of its organization.
type clientBody struct {
	ID         string `json:"id"`
	ClientID   string `json:"clientId"`
	Name       string `json:"name"`
	LiveTokens int    `json:"liveTokens"`
}

type summaryAnswer struct{ replay.Summary }

type hashAnswer struct {
	AsOf      replay.Bound `json:"asOf"`
	StateHash string       `json:"stateHash"`
}

type applicationAnswer struct {
	AsOf        replay.Bound    `json:"asOf"`
	Application applicationBody `json:"application"`
	Tokens      []tokenBody     `json:"liveTokens"` // newest first
}

type organizationAnswer struct {
	AsOf         replay.Bound     `json:"asOf"`
	Organization organizationBody `json:"organization"`
	Applications []clientBody     `json:"applications"`
}

type tokenAnswer struct {
	AsOf  replay.Bound `json:"asOf"`
	Token replay.Token `json:"token"`
}

type lineageAnswer struct{ replay.Lineage }

type impactAnswer struct {
	*replay.Impact
	// Ended counts the tokens that --revoke ended.
	Ended *int `json:"ended,omitempty"`
}

type diffAnswer struct{ *replay.Diff }

// lineageAnswerOf makes of a lineage the answer to a question about a token.
func lineageAnswerOf(q question, l replay.Lineage, ok bool, err error) (answer, error) {
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, &notFoundError{what: q.what}
	case q.topic == aboutToken:
		return tokenAnswer{AsOf: l.AsOf, Token: l.Token}, nil
	}
	return lineageAnswer{l}, nil
}

func impactAnswerOf(q question, m *replay.Impact, err error) (answer, error) {
	switch {
	case errors.Is(err, replay.ErrUnknown):
		return nil, &notFoundError{what: q.what}
	case err != nil:
		return nil, err
	}
	return impactAnswer{Impact: m}, nil
}
