package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/grantlog/grantlog/replay"
)

func (a tokenAnswer) print(w io.Writer, form outForm) error {
	return printAs(w, form, a, func(line func(string, any)) { line("token", a) }, func(t *tables) {
		t.asOf(a.AsOf)
		t.token(&a.Token)
	})
}

// token writes a token's own rows.
func (t *tables) token(token *replay.Token) {
	t.row("token", token.ID)
	t.row("status", token.Status)
	if end := token.End; end != nil {
		text := fmt.Sprintf("%s, %s", cellText(end.At), strings.ReplaceAll(end.Reason, "_", " "))
		if end.Event != nil {
			text += fmt.Sprintf(" (position %d%s)", end.Event.Position, by(end.Event))
		}
		t.row("ends", text)
	}
	t.row("organization", token.Organization)
	t.row("application", token.Application)
	if token.Secret > 0 {
		t.row("secret version", token.Secret)
	}
	if token.User != "" {
		t.row("user", token.User)
	}
	if token.Service != "" {
		t.row("service", token.Service)
	}
	t.row("grant", token.Grant)
	t.row("scope", token.Scope)
	t.row("key", token.Key)
	t.row("issued", token.IssuedAt)
	t.row("expires", token.ExpiresAt)
	t.row("position", token.Issued.Position)
}

// by names who caused an event, and the request.
func by(s *replay.Step) (text string) {
	for _, actor := range []string{s.Actor.Application, s.Actor.User} {
		if actor != "" {
			text += ", by " + printable(actor)
		}
	}
	if s.Correlation != "" {
		text += ", request " + printable(s.Correlation)
	}
	return text
}

func (a lineageAnswer) print(w io.Writer, form outForm) error {
	lines := func(line func(string, any)) {
		line("token", tokenAnswer{a.AsOf, a.Token})
		for _, link := range a.Path {
			line("link", link)
		}
		if a.Begins != nil {
			line("begins", a.Begins)
		}
	}
	return printAs(w, form, a, lines, func(t *tables) {
		t.asOf(a.AsOf)
		t.begins(a.Begins)
		t.token(&a.Token)
		t.row("client id", a.ClientID)
		t.row("application name", a.ApplicationName)
		t.row("signing", a.SigningAlg)
		t.head("POSITION", "TIME", "ROLE", "EVENT", "WHAT", "BY", "REQUEST")
		for _, l := range a.Path {
			t.row(l.Position, l.Time, l.Role, string(l.Type), l.What, actorText(l.Step), l.Correlation)
		}
	})
}

func actorText(s replay.Step) string {
	return strings.TrimSpace(s.Actor.Application + " " + s.Actor.User)
}

func (a impactAnswer) print(w io.Writer, form outForm) error {
	lines := func(line func(string, any)) {
		for _, token := range a.Tokens {
			line("token", token)
		}
		for _, usage := range a.Usage {
			line("usage", usage)
		}
		summary := map[string]any{
			"asOf": a.AsOf, "issued": a.Issued, "children": a.Children, "live": a.Live, "revoked": a.Revoked, "expired": a.Expired,
		}
		if a.Ended != nil {
			summary["ended"] = *a.Ended
		}
		if a.Begins != nil {
			summary["begins"] = a.Begins
		}
		line("summary", summary)
	}
	return printAs(w, form, a, lines, func(t *tables) {
		t.asOf(a.AsOf)
		t.begins(a.Begins)
		t.row("tokens", fmt.Sprintf("%d issued: %d live, %d revoked, %d expired", a.Issued, a.Live, a.Revoked, a.Expired))
		if a.Children > 0 {
			t.row("children", fmt.Sprintf("%d of them, given for refresh tokens", a.Children))
		}
		if a.Ended != nil {
			t.row("ended", *a.Ended)
		}
		if len(a.Tokens) > 0 {
			t.head("JTI", "APPLICATION", "SECRET", "ISSUED", "EXPIRES", "STATUS", "ENDS", "WHY", "POSITION", "SCOPE")
		}
		for _, token := range a.Tokens {
			ends, why, position := token.ExpiresAt, "", ""
			if token.End != nil {
				ends, why = token.End.At, token.End.Reason
				if token.End.Event != nil {
					position = fmt.Sprint(token.End.Event.Position)
				}
			}
			t.row(token.ID, token.Application, token.Secret, token.IssuedAt, token.ExpiresAt, token.Status, ends, why, position, token.Scope)
		}
		if len(a.Usage) > 0 {
			t.head("SECRET", "FIRST CALL", "LAST CALL", "ADMITTED", "ERRORS", "REFUSED", "REPLICAS")
		}
		for _, u := range a.Usage {
			t.row(u.Secret, u.First, u.Last, u.Admitted, u.Errors, u.Refused, u.Replicas)
		}
	})
}

func (a diffAnswer) print(w io.Writer, form outForm) error {
	lines := func(line func(string, any)) {
		for _, change := range a.Changes {
			line("change", change)
		}
		for _, tally := range a.Tokens {
			line("tokens", tally)
		}
		line("summary", map[string]any{"from": a.From, "to": a.To})
	}
	return printAs(w, form, a, lines, func(t *tables) {
		t.row("from", fmt.Sprintf("position %d, %s", a.From.Position, cellText(a.From.Time)))
		t.row("to", fmt.Sprintf("position %d, %s", a.To.Position, cellText(a.To.Time)))
		t.row("changes", len(a.Changes))
		if len(a.Changes) > 0 {
			t.head("POSITION", "TIME", "CHANGE", "EVENT", "ID", "NAME", "BY", "REQUEST")
		}
		for _, c := range a.Changes {
			t.row(c.Position, c.Time, c.Kind, string(c.Type), c.Object, c.Name, actorText(c.Step), c.Correlation)
			for _, f := range c.Fields {
				fmt.Fprintf(t.w, "\t\t\t%s: %s → %s\n", f.Name, fieldText(f.From), fieldText(f.To))
			}
		}
		if len(a.Tokens) > 0 {
			t.head("ORGANIZATION", "APPLICATION", "LIVE BEFORE", "ISSUED", "DEAD ON ARRIVAL", "REVOKED", "EXPIRED", "LIVE AFTER")
		}
		for _, n := range a.Tokens {
			t.row(n.Organization, n.Application, n.Before, n.Issued, n.DeadOnArrival, n.Revoked, n.Expired, n.After)
		}
	})
}

// fieldText is a setting as JSON writes it.
func fieldText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "-"
	}
	return printable(string(text))
}
