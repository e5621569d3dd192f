package replay

import (
	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// trail folds a history and notes what becomes of the tokens it follows. What
// is live is the state's judgement alone: the trail asks for it after every
// event that ends something, and so finds the event that made the difference.
type trail struct {
	state *projections.State
	wants func(*events.TokenIssued) bool
	found []*Token // in log order
	byID  map[events.TokenID]*Token
	open  []*Token // not known to have ended
	// last is the latest ending of everything of an application, a service, a
	// user, a family of refresh tokens or an organization: the cause of deaths
	// on arrival.
	last     map[string]*End
	overlaps map[overlap]*End
}

// overlap is a time at which secrets of an application end that were replaced
// before.
type overlap struct {
	application string
	endsAt      int64 // Unix nanoseconds
}

func newTrail(state *projections.State, wants func(*events.TokenIssued) bool) *trail {
	return &trail{
		state: state, wants: wants,
		byID: map[events.TokenID]*Token{}, last: map[string]*End{}, overlaps: map[overlap]*End{},
	}
}

// apply folds one event of a record in.
func (t *trail) apply(r *Record, i int) error {
	e := &r.Events[i]
	d, issuance := e.Data.(*events.TokenIssued)
	var n projections.Ending
	ends := false
	if !issuance { // which is most of a log, and ends nothing
		n, ends = t.state.EndingOf(r.Position, i, e)
	}
	if err := r.apply(t.state, i); err != nil {
		return err
	}
	switch {
	case issuance && t.wants(d):
		t.issued(r.Position, i, e, d.ID)
	case ends:
		t.ended(n, e)
	}
	return nil
}

func (t *trail) issued(position events.Position, ordinal int, e *events.Event, id events.TokenID) {
	issued, ok := t.state.Token(id)
	if !ok || issued.Position != position || issued.Ordinal != ordinal {
		return // the second of one jti is none
	}
	token := tokenOf(issued, stepOf(position, e))
	t.add(token)
	if !issued.Ended {
		t.follow(token)
		return
	}
	token.End = &End{Reason: ReasonDeadOnArrival, At: e.Time}
	for _, of := range []string{token.Application, token.Service, token.User, token.Family, everythingIn(token.Organization)} {
		if cause := t.last[of]; cause != nil && (token.End.Event == nil || cause.Event.Position > token.End.Event.Position) {
			token.End.Event = cause.Event
		}
	}
}

func (t *trail) add(token *Token) {
	t.found = append(t.found, token)
	t.byID[token.ID] = token
}

// follow notes what becomes of a token from now on.
func (t *trail) follow(token *Token) {
	t.schedule(token)
	t.open = append(t.open, token)
}

// ended looks at the tokens that an event may have ended.
func (t *trail) ended(n projections.Ending, e *events.Event) {
	step := stepOf(n.Position, e)
	end := &End{Reason: n.Reason, At: e.Time, Event: &step}
	if n.Token != nil {
		if token := t.byID[*n.Token]; token != nil {
			t.judge(token, end)
		}
		return
	}
	everythingOf := []string{n.Application, n.Service, n.User}
	if n.Family != "" {
		everythingOf = []string{n.Family}
	} else if n.Everything() {
		everythingOf = []string{everythingIn(n.Organization)}
	}
	for _, of := range everythingOf {
		if of != "" {
			t.last[of] = end
		}
	}
	if at := n.EffectiveAt; !at.IsZero() {
		t.overlaps[overlap{n.Application, at.UnixNano()}] = &End{Reason: n.Reason, At: at, Event: &step}
	}
	still := t.open[:0]
	for _, token := range t.open {
		if !concerns(n, token) || t.judge(token, end) {
			still = append(still, token)
		}
	}
	clear(t.open[len(still):])
	t.open = still
}

// everythingIn stands for all tokens of an organization; it is no id.
func everythingIn(organization string) string { return "organization " + organization }

// concerns reports whether an ending may be one of a token.
func concerns(n projections.Ending, t *Token) bool {
	if n.Family != "" {
		return n.Family == t.Family
	}
	if n.Everything() {
		return n.Organization == t.Organization
	}
	return n.Application != "" && n.Application == t.Application ||
		n.Service != "" && n.Service == t.Service ||
		n.User != "" && n.User == t.User
}

// judge notes whether an event ended a token, at once or at a time to come, and
// reports whether the token goes on.
func (t *trail) judge(token *Token, end *End) (live bool) {
	now := t.state.Time
	held, ok := t.state.Token(token.ID)
	if token.over(now) || !ok {
		return false
	}
	if t.state.Liveness(held, now) == projections.Revoked {
		token.End = end
		return false
	}
	t.schedule(token)
	return true
}

// schedule notes when the secret of a token ends, if it is to end before it.
func (t *trail) schedule(token *Token) {
	a, ok := t.state.Applications.Get(token.Application)
	if !ok {
		return
	}
	s, ok := a.Secret(token.Secret)
	if !ok || s.EndsAt.IsZero() || !s.EndsAt.Before(token.ExpiresAt) {
		return
	}
	if token.End = t.overlaps[overlap{a.ID, s.EndsAt.UnixNano()}]; token.End == nil {
		token.End = &End{Reason: ReasonEarlier, At: s.EndsAt} // it was rotated before the history
	}
}
