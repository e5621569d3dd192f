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
	token  []byte
	claims []byte

	read  func(*projections.State) // the method judge
	known bool
	pass  Pass
	err   error
	waits *waiter
}

var judges = sync.Pool{New: func() any {
	j := &judgement{}
	j.read = j.judge
	return j
}}

func (j *judgement) release() {
	*j = judgement{token: j.token[:0], claims: j.claims[:0], read: j.read}
	judges.Put(j)
}

// look judges a call if the state shows its token. It counts then.
func (j *judgement) look(g *Guard, call Call) (known bool) {
	claims, id, ok := authn.Peek(j.claims[:0], call.Token)
	if !ok {
		return false
	}
	j.guard, j.call, j.now = g, call, g.Emit.Now()
	j.token = append(j.token[:0], call.Token...)
	j.claims, j.id, j.digest = claims, id, authn.Digest(j.token)
	g.Emit.View(j.read)
	return j.known
}

// judge runs on a state that must not be kept.
func (j *judgement) judge(s *projections.State) {
	token, live := s.Lookup(j.id, j.digest, j.now)
	if j.known = live != projections.Unknown; !j.known {
		return
	}
	if j.call.Service != nil {
		j.err = j.service(s, token, live)
	} else {
		j.err = j.route(s, token, live)
	}
	if j.pass.Organization == nil {
		return
	}
	p, ledger := &j.pass, j.guard.ledger
	if j.err != nil {
		p.Quota = command.Remains(s, j.now, p.Application, p.Organization, ledger.refuse(s, *p))
		return
	}
	if p.Quota, j.waits, j.err = ledger.admit(s, j.now, *p); j.err != nil {
		j.err = refusal(j.err)
	}
}

// route asks whether the token opens the route, and is meant for it.
func (j *judgement) route(s *projections.State, token projections.Token, live projections.Liveness) error {
	p, err := command.Guard(s, command.Call{
		Token: token, State: live, Method: j.call.Method, Path: j.call.Path, Proxy: j.call.Proxy,
	})
	j.pass = Pass{
		Token: token, Application: p.Application, Organization: p.Organization,
		Scope: p.Scope, Upstream: p.Route.Upstream, second: j.now.Unix(),
	}
	if err == nil && !j.audience(p.Application) {
		return errAudience
	}
	return err
}

// service asks whether the token opens the service.
func (j *judgement) service(s *projections.State, token projections.Token, live projections.Liveness) error {
	service, err := command.CallService(s, token, live, *j.call.Service)
	if live != projections.Live {
		return err
	}
	j.pass = Pass{Token: token, Service: service, Scope: command.ScopeServiceCall, second: j.now.Unix()}
	j.pass.Organization, _ = s.Organizations.Get(token.Organization)
	j.pass.Application, _ = s.Applications.Get(token.Application)
	return err
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
