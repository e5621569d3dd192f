package replay

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Lineage is where a token came from and what ended it.
type Lineage struct {
	AsOf Bound `json:"asOf"`
	Token
	// ClientID, ApplicationName and SigningAlg are what its application and
	// its key had when it was issued.
	ClientID        string `json:"clientId,omitempty"`
	ApplicationName string `json:"applicationName,omitempty"`
	SigningAlg      string `json:"signingAlg,omitempty"`
	// Path is what it depended on, in log order.
	Path []Link `json:"path"`
	// Begins is where the account begins, if not with the log: what is before was
	// archived.
	Begins *Bound `json:"begins,omitempty"`
}

// Link is an event and what it was for a token.
type Link struct {
	// Role: application, secret, key, user, service, credential, refresh,
	// token or end.
	Role string `json:"role"`
	What string `json:"what"` // in words
	Step
}

// FindLineage follows one token through a history; false: the history does not
// show it. now is when its status is judged; it counts as no earlier than the
// history's end.
func FindLineage(ctx context.Context, h History, id events.TokenID, now time.Time) (Lineage, bool, error) {
	state, begins, err := h.begin(ctx)
	if err != nil {
		return Lineage{}, false, err
	}
	f := finder{
		trail:  newTrail(state, func(d *events.TokenIssued) bool { return d.ID == id }),
		before: map[string]Link{}, after: map[string]Link{},
	}
	if f.lines.Begins = begins; begins != nil {
		f.lines.AsOf = *begins
		if f.recall(); len(f.found) == 1 {
			f.born()
		}
	}
	err = h.Each(ctx, func(r *Record) error {
		for i := range r.Events {
			if err := f.trail.apply(r, i); err != nil {
				return err
			}
			f.note(r, i)
		}
		f.lines.AsOf.Position = r.Position
		return nil
	})
	if err != nil || len(f.found) == 0 {
		return Lineage{}, false, err
	}
	return f.lineage(now), true, nil
}

// finder notes what a token could come from, until it is found, and then what
// becomes of that.
type finder struct {
	*trail
	before, after map[string]Link // by place; see linkOf
	lines         Lineage         // what the state showed when the token was found
}

func (f *finder) note(r *Record, i int) {
	e := &r.Events[i]
	if _, ok := e.Data.(*events.TokenIssued); ok {
		if len(f.found) == 1 && f.lines.Path == nil {
			f.born()
		}
		return
	}
	place, link := f.linkOf(e)
	if place == "" || f.state.Void(r.Position, i) {
		return
	}
	link.Step = stepOf(r.Position, e)
	if f.lines.Path == nil {
		f.before[place] = link
	} else if _, noted := f.after[place]; !noted {
		f.after[place] = link
	}
}

func (f *finder) born() {
	t, l := f.found[0], &f.lines
	if a, ok := f.state.Applications.Get(t.Application); ok {
		l.ClientID, l.ApplicationName = a.ClientID, a.Name
	}
	if k, ok := f.state.Keys.Get(t.Key); ok {
		l.SigningAlg = k.Algorithm
	}
	what := t.Grant
	if t.Scope != "" {
		what += ", scope " + t.Scope
	}
	l.Path = []Link{{Role: "token", What: what, Step: t.Issued}}
}

// lineage puts together what is known at the end of the history.
func (f *finder) lineage(now time.Time) Lineage {
	t, l := f.found[0], f.lines
	l.AsOf.Time = latest(now, f.state.Time)
	t.judge(l.AsOf.Time)
	l.Token = *t
	for _, place := range []string{
		"application " + t.Application, "settings " + t.Application, secretPlace(t.Application, t.Secret),
		"key " + t.Key, "activation " + t.Key,
		"user " + t.User, "password " + t.User, "family " + t.Family, "presentation " + t.Family, "service " + t.Service, "credential " + t.Application,
	} {
		if link, ok := f.before[place]; ok {
			l.Path = append(l.Path, link)
		}
	}
	if link, ok := f.successor(t); ok {
		l.Path = append(l.Path, link)
	}
	if link, ok := f.after["retirement "+t.Key]; ok {
		l.Path = append(l.Path, link)
	}
	l.addEnd()
	slices.SortStableFunc(l.Path, func(a, b Link) int { return cmp.Compare(a.Position, b.Position) })
	return l
}

// successor finds the event that replaced a token's secret, which may stand
// before the token: while the two overlapped, or when it came too late.
func (f *finder) successor(t *Token) (link Link, ok bool) {
	if t.Secret == 0 {
		return link, false
	}
	place := secretPlace(t.Application, t.Secret+1)
	if link, ok = f.before[place]; !ok {
		link, ok = f.after[place]
	}
	return link, ok
}

// addEnd marks the event that ended the token.
func (l *Lineage) addEnd() {
	if l.End == nil || l.End.Event == nil {
		return
	}
	end := Link{Role: "end", What: strings.ReplaceAll(l.End.Reason, "_", " "), Step: *l.End.Event}
	if i := slices.IndexFunc(l.Path, func(link Link) bool { return link.ID == end.ID }); i >= 0 {
		end.What = l.Path[i].What
		l.Path[i] = end
		return
	}
	l.Path = append(l.Path, end)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
