package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// auditEntry is an event as GET /oauth/events shows it: without what is secret
// in it.
type auditEntry struct {
	Position     events.Position            `json:"position"`
	Time         time.Time                  `json:"time"`
	Type         events.Type                `json:"type"`
	ID           string                     `json:"id"`
	Version      int                        `json:"version"`
	Organization string                     `json:"organizationId"`
	Actor        auditActor                 `json:"actor"`
	Correlation  string                     `json:"correlation"`
	Causation    string                     `json:"causation"`
	Data         map[string]json.RawMessage `json:"data"`
}

type auditActor struct {
	Application string `json:"application,omitempty"`
	User        string `json:"user,omitempty"`
	Replica     string `json:"replica,omitempty"`
}

// issuedBody is what says where a token came from.
type issuedBody struct {
	Application string `json:"application"`
	Secret      int    `json:"secret"`
	User        string `json:"user"`
	Service     string `json:"service"`
	Family      string `json:"family"`
}

// issued returns the issuance that the event is; nil if it is none.
func (e *auditEntry) issued() *issuedBody {
	if e.Type != (*events.TokenIssued)(nil).EventType() {
		return nil
	}
	return &issuedBody{
		Application: text(e.Data["application"]), User: text(e.Data["user"]), Service: text(e.Data["service"]),
		Family: text(e.Data["family"]), Secret: number(e.Data["secret"]),
	}
}

// text and number read a member; what is not there, or something else, is empty.
func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}

func number(raw json.RawMessage) (n int) {
	_ = json.Unmarshal(raw, &n)
	return n
}

// Values that stand where the server shows nothing. They are not secrets, and
// nothing that is worked out here depends on them.
var (
	blankSecret = quotedJSON(base64.RawURLEncoding.EncodeToString(make([]byte, len(events.SecretDigest{}))))
	blankDigest = quotedJSON(strings.Repeat("0", 2*len(events.TokenDigest{})))
	blankSealed = quotedJSON("")

	blanks = map[events.Type]map[string]json.RawMessage{
		"token.issued":               {"digest": blankDigest},
		"refresh.issued":             {"digest": blankDigest},
		"application.secret_rotated": {"secret": blankSecret},
		"service.credential_added":   {"secret": blankSecret},
		"user.created":               {"email": blankSealed},
		"user.updated":               {"email": blankSealed},
		"user.password_changed":      {"password": blankSealed},
		"key.created":                {"sealed": blankSealed},
	}
)

func quotedJSON(s string) json.RawMessage { return json.RawMessage(`"` + s + `"`) }

// confidential tells which applications have secrets: the server shows none,
// but tokens were decided on them, or they were replaced.
func (g *gathering) confidential() map[string]bool {
	found := map[string]bool{}
	for _, e := range g.entries {
		if d := e.issued(); d != nil && d.Secret > 0 {
			found[d.Application] = true
		}
		if e.Type == (*events.SecretRotated)(nil).EventType() {
			found[text(e.Data["id"])] = true
		}
	}
	return found
}

// event reads the entry as the log's own reader would, which refuses what it
// does not know.
func (e *auditEntry) event(confidential map[string]bool) (event events.Event, err error) {
	for name, blank := range blanks[e.Type] {
		e.Data[name] = blank
	}
	if e.Type == (*events.ApplicationCreated)(nil).EventType() && confidential[text(e.Data["id"])] {
		e.Data["secret"] = blankSecret
	}
	line := struct {
		ID           string      `json:"id"`
		Type         events.Type `json:"type"`
		Version      int         `json:"version"`
		Time         string      `json:"time"`
		Organization string      `json:"organization,omitempty"`
		Actor        auditActor  `json:"actor,omitzero"`
		Correlation  string      `json:"correlation,omitempty"`
		Causation    string      `json:"causation,omitempty"`
		Data         any         `json:"data"`
	}{
		e.ID, e.Type, e.Version, e.Time.UTC().Format("2006-01-02T15:04:05.000000Z"),
		e.Organization, auditActor{Application: e.Actor.Application, User: e.Actor.User}, e.Correlation, e.Causation, e.Data,
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		return event, err
	}
	page := events.AppendPage(nil, events.PageHeader{Commit: "-", Replica: e.Actor.Replica}, encoded)
	_, list, err := events.DecodePage(page)
	if err != nil {
		return event, err
	}
	for found, err := range list {
		if err != nil {
			return event, err
		}
		event = *found // of a page of its own, which never changes
	}
	return event, nil
}
