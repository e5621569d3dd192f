package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// judgement is the memory of one Check. It is used again, so that a token that
// was seen before costs no garbage.
type judgement struct {
	guard  *Guard
	call   Call
	now    time.Time
	id     events.TokenID
	digest events.TokenDigest
	buf    []byte // of claims
	claims []byte

	read  func(*projections.State) // the method judge
	known bool
	pass  Pass
	err   error
	waits *waiter
}

var judges = sync.Pool{New: func() any {
	j := &judgement{buf: make([]byte, 0, 2<<10)}
	j.read = j.judge
	return j
}}

func (j *judgement) release() {
	*j = judgement{buf: j.buf[:0], read: j.read}
	judges.Put(j)
}

// look judges a call if the state shows its token. It counts then.
func (j *judgement) look(g *Guard, call Call) (known bool) {
	claims, id, ok := authn.Peek(j.buf[:0], call.Token)
	if !ok {
		return false
	}
	j.guard, j.call, j.now = g, call, g.Emit.Now()
	j.buf, j.claims, j.id, j.digest = claims, claims, id, authn.Digest(call.Token)
	g.Emit.View(j.read)
	return j.known
}

// judge runs on a state that must not be kept.
func (j *judgement) judge(s *projections.State) {
	token, live := s.Lookup(j.id, j.digest, j.now)
	if j.known = live != projections.Unknown; !j.known {
		return
	}
	p, err := command.Guard(s, command.Call{
		Token: token, State: live, Method: j.call.Method, Path: j.call.Path, Proxy: j.call.Proxy,
	})
	j.pass = Pass{
		Token: token, Application: p.Application, Organization: p.Organization,
		Scope: p.Scope, Upstream: p.Route.Upstream, second: j.now.Unix(),
	}
	if p.Application == nil {
		j.err = err
		return
	}
	if err == nil && !j.audience(p.Application) {
		err = errAudience
	}
	ledger := j.guard.ledger
	if err != nil {
		j.pass.Quota = command.Remains(s, j.now, p.Application, p.Organization, ledger.refuse(s, j.pass))
		j.err = err
		return
	}
	j.pass.Quota, j.waits, err = ledger.admit(s, j.now, j.pass)
	j.err = refusal(err)
}

// refusal is how package oauth answers a call over a limit.
func refusal(err error) error {
	var limit *command.LimitError
	if !errors.As(err, &limit) {
		return err
	}
	return &oauth.Error{
		Status: http.StatusTooManyRequests, Code: oauth.CodeUnavailable,
		Message: limit.Error(), RetryAfter: limit.RetryAfter,
	}
}

// audience reports whether the token is meant for the APIs of its issuer, or
// for the audience that its application has.
func (j *judgement) audience(app *projections.Application) bool {
	_, rest, ok := bytes.Cut(j.claims, []byte(`"aud":"`))
	if !ok {
		return false
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return false
	}
	if value := rest[:end]; bytes.IndexByte(value, '\\') < 0 {
		return string(value) == j.guard.Issuer || string(value) == app.Audience && app.Audience != ""
	}
	var c struct {
		Audience string `json:"aud"`
	}
	return json.Unmarshal(j.claims, &c) == nil && (c.Audience == j.guard.Issuer || c.Audience == app.Audience)
}
