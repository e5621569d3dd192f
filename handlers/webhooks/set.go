package webhooks

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/projections"
)

const (
	// signingAlg is that of RFC 9068 tokens by default: every receiver of a
	// grantlog can verify it.
	signingAlg = "ES256"
	setType    = "secevent+jwt" // RFC 8417 section 2.3

	// revocationEvent is the type of all that is pushed; its value is the
	// ending as the feeds have it. The types of CAEP and RISC say less than that
	// of most endings, and want a subject that tokens of applications lack.
	revocationEvent = "https://github.com/grantlog/grantlog/secevent/revocation"
)

// claims are those of a Security Event Token (RFC 8417 section 2.2). It has
// neither sub nor exp, so that it is taken for no other kind of token.
type claims struct {
	Issuer   string                        `json:"iss"`
	Audience string                        `json:"aud"`
	IssuedAt int64                         `json:"iat"`
	ID       string                        `json:"jti"`
	Happened int64                         `json:"toe"`
	Events   map[string]projections.Ending `json:"events"`
}

func audienceOf(w *projections.Webhook) string { return cmp.Or(w.Audience, w.URL) }

// setID names what is pushed of an ending: by its place, and by its epoch where
// the log was restored from a backup before it. Its position was given before
// then, and the receiver may have acknowledged that ending.
func (e *Endpoint) setID(w *projections.Webhook, ending projections.Ending) (id string) {
	id = fmt.Sprintf("%s.%d.%d", w.ID, ending.Position, ending.Ordinal)
	e.Emit.View(func(s *projections.State) {
		if epoch := s.Epochs.At(ending.Position); epoch != "" {
			id += "." + epoch
		}
	})
	return id
}

// token makes what is pushed of an ending. It has the same jti however often
// and by whomever it is pushed.
func (e *Endpoint) token(w *projections.Webhook, ending projections.Ending, now time.Time) (string, error) {
	body, err := json.Marshal(claims{
		Issuer: e.Issuer, Audience: audienceOf(w), IssuedAt: now.Unix(),
		ID:       e.setID(w, ending),
		Happened: ending.Time.Unix(), Events: map[string]projections.Ending{revocationEvent: ending},
	})
	if err != nil {
		return "", err
	}
	signed, _, err := e.Sign(signingAlg, setType, body)
	return signed, err
}
