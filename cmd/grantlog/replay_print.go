package main

import (
	"fmt"
	"io"
	"time"

	"github.com/grantlog/grantlog/replay"
)

// asOf begins every table.
func (t *tables) asOf(at replay.Bound) {
	t.row("as of", fmt.Sprintf("position %d, %s", at.Position, cellText(at.Time)))
}

// begins says where an account begins that has no archive.
func (t *tables) begins(at *replay.Bound) {
	if at != nil {
		t.row("begins", fmt.Sprintf("position %d, %s; with --archive, what was archived before counts, too", at.Position, cellText(at.Time)))
	}
}

func (a summaryAnswer) print(w io.Writer, form outForm) error {
	return printAs(w, form, a, func(line func(string, any)) { line("summary", a) }, func(t *tables) {
		t.asOf(a.AsOf)
		t.row("organizations", a.Organizations)
		t.row("applications", a.Applications)
		t.row("services", a.Services)
		t.row("users", a.Users)
		t.row("live tokens", a.LiveTokens)
		t.row("state", a.StateHash)
	})
}

func (a hashAnswer) print(w io.Writer, form outForm) error {
	return printAs(w, form, a, func(line func(string, any)) { line("state", a) }, func(t *tables) {
		t.asOf(a.AsOf)
		t.row("state", a.StateHash)
	})
}

func (a applicationAnswer) print(w io.Writer, form outForm) error {
	lines := func(line func(string, any)) {
		line("application", a.Application)
		for _, token := range a.Tokens {
			line("liveToken", token)
		}
	}
	return printAs(w, form, a, lines, func(t *tables) {
		b := a.Application
		t.asOf(a.AsOf)
		t.row("id", b.ID)
		t.row("client id", b.ClientID)
		t.row("organization", b.OrganizationID)
		t.row("name", b.Name)
		t.row("description", b.Description)
		t.row("scopes", b.Scopes)
		t.row("grant types", b.GrantTypes)
		t.row("redirect uris", b.RedirectURIs)
		t.row("audience", b.Audience)
		t.row("signing", b.SigningAlg)
		t.row("token lifetime", time.Duration(b.TokenLifetime)*time.Second)
		if b.Limits != nil {
			t.row("limits", fmt.Sprintf("%d per minute, %d per hour", b.Limits.PerMinute, b.Limits.PerHour))
		}
		t.row("created", b.CreatedAt)
		t.row("updated", b.UpdatedAt)
		t.row("secret made", b.SecretCreatedAt)
		t.row("former secret until", b.SecretExpiresAt)
		t.row("live tokens", len(a.Tokens))
		if len(a.Tokens) > 0 {
			t.head("JTI", "ISSUED", "EXPIRES", "SCOPE")
		}
		for _, token := range a.Tokens {
			t.row(token.ID, token.IssuedAt, token.ExpiresAt, token.Scope)
		}
	})
}

func (a organizationAnswer) print(w io.Writer, form outForm) error {
	lines := func(line func(string, any)) {
		line("organization", a.Organization)
		for _, app := range a.Applications {
			line("application", app)
		}
	}
	return printAs(w, form, a, lines, func(t *tables) {
		b := a.Organization
		t.asOf(a.AsOf)
		t.row("id", b.ID)
		t.row("name", b.Name)
		t.row("partner id", b.PartnerID)
		if b.Limits != nil {
			t.row("limits", fmt.Sprintf("%d per minute, %d per hour", b.Limits.PerMinute, b.Limits.PerHour))
		}
		names := []string{}
		for _, scope := range b.Scopes {
			names = append(names, scope.Name)
		}
		t.row("scopes", names)
		t.row("created", b.CreatedAt)
		t.row("applications", len(a.Applications))
		if len(a.Applications) > 0 {
			t.head("ID", "CLIENT ID", "NAME", "LIVE TOKENS")
		}
		for _, app := range a.Applications {
			t.row(app.ID, app.ClientID, app.Name, app.LiveTokens)
		}
	})
}
