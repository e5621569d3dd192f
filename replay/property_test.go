package replay

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

var epoch = time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC)

// past is a history in the making.
type past struct {
	t       *rapid.T
	now     time.Time
	records []*Record
	tokens  []events.TokenIssued
	state   *projections.State // what the records show, to make issuances that often succeed

	families []*events.RefreshIssued
}

func (p *past) add(data ...events.Data) {
	subject, err := events.SubjectFor("acme", data[0])
	if err != nil {
		p.t.Fatal(err)
	}
	r := &Record{Position: events.Position(len(p.records) + 1), Subject: subject}
	for i, d := range data {
		r.Events = append(r.Events, events.Event{
			ID: fmt.Sprintf("e_%d_%d", r.Position, i), Type: d.EventType(), Version: 1,
			Time: p.now, Organization: "acme", Data: d,
		})
	}
	p.records = append(p.records, r)
	if err := r.fold(p.state); err != nil {
		p.t.Fatal(err)
	}
}

func (p *past) history(ctx context.Context, fn func(*Record) error) error {
	for _, r := range p.records {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

var (
	someApplication = rapid.SampledFrom([]string{"a1", "a2", "a3"})
	someUser        = rapid.SampledFrom([]string{"", "", "u1", "u2"})
	seldom          = rapid.Map(rapid.IntRange(0, 7), func(n int) bool { return n == 7 })
	someStep        = rapid.SampledFrom([]time.Duration{0, 1, time.Microsecond, 10 * time.Second, 100 * time.Second, 6 * time.Minute})
	someLife        = rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Minute, 20 * time.Minute, 2 * time.Hour})
	someDigest      = &events.SecretDigest{1}
)

func (p *past) issue() { p.add(p.token()) }

// begin issues a token together with the first refresh token of a family.
func (p *past) begin() {
	d := p.token()
	d.Family = fmt.Sprintf("f%d", len(p.families))
	f := &events.RefreshIssued{
		Family: d.Family, Digest: refreshDigest(len(p.families), 0), Application: d.Application, Secret: d.Secret,
		User: d.User, UserVersion: d.UserVersion, IssuedAt: d.IssuedAt, ExpiresAt: p.now.Add(time.Hour).Unix(),
	}
	p.families = append(p.families, f)
	p.add(f, d)
}

// present refreshes a token of a family, in force or not.
func (p *past) present() {
	if len(p.families) == 0 {
		return
	}
	n := rapid.IntRange(0, len(p.families)-1).Draw(p.t, "family")
	f, i := p.families[n], rapid.IntRange(0, 2).Draw(p.t, "refresh token")
	d := p.token()
	d.Application, d.Secret, d.User, d.Family = f.Application, f.Secret, f.User, f.Family
	p.add(&events.RefreshPresented{
		Family: f.Family, Digest: refreshDigest(n, i), Successor: refreshDigest(n, i+1), Application: f.Application, Secret: f.Secret,
	}, d)
	if f, ok := p.state.Refreshes.Get(f.Family); ok && f.Ended != "" && !f.Told && !seldom.Draw(p.t, "untold") {
		p.add(&events.RefreshFamilyEnded{Family: f.ID, Application: f.Application, User: f.User, Reason: f.Ended})
	}
}

func refreshDigest(family, n int) (d events.TokenDigest) {
	d[0], d[1] = byte(family+1), byte(n)
	return d
}

func (p *past) token() *events.TokenIssued {
	d := events.TokenIssued{
		Application: someApplication.Draw(p.t, "application"), User: someUser.Draw(p.t, "user"),
		Grant: "client_credentials", Key: "k1", IssuedAt: p.now.Unix(),
		ExpiresAt: p.now.Add(someLife.Draw(p.t, "life")).Unix(),
	}
	if a, ok := p.state.Applications.Get(d.Application); ok && len(a.Secrets) > 0 {
		d.Secret = rapid.SampledFrom(a.Secrets).Draw(p.t, "secret").Version
	}
	if u, ok := p.state.Users.Get(d.User); ok {
		d.UserVersion = u.Version
	}
	if seldom.Draw(p.t, "too late") {
		d.Secret, d.UserVersion = d.Secret-1, d.UserVersion-1
	}
	binary.BigEndian.PutUint64(d.ID[:], uint64(len(p.tokens)+1)*0x9e3779b97f4a7c15)
	p.tokens = append(p.tokens, d)
	return &d
}

// draw makes a history of everything that begins and ends tokens.
func draw(t *rapid.T) *past {
	p := &past{t: t, now: epoch, state: projections.New()}
	p.add(&events.OrganizationCreated{ID: "acme", Name: "Acme"})
	for i, id := range []string{"a1", "a2", "a3"} {
		d := &events.ApplicationCreated{ID: id, ClientID: "app_" + id}
		if i < 2 {
			d.Secret = someDigest
		}
		p.add(d)
	}
	for _, id := range []string{"u1", "u2"} {
		p.add(&events.UserCreated{ID: id, UserProfile: events.UserProfile{Handle: "h_" + id, Email: []byte("x")}})
	}
	for range rapid.IntRange(10, 80).Draw(t, "steps") {
		p.step(rapid.SampledFrom(steps).Draw(t, "step"))
	}
	return p
}

// steps are weighted by how often they stand here.
var steps = strings.Fields("issue issue issue issue issue issue issue issue wait wait wait wait revoke revoke " +
	"shut open open shut-app open-app open-app rotate overlap overlap overlap end end-all disable enable delete begin begin begin present present present present end-family")

func (p *past) step(kind string) {
	id := someApplication.Draw(p.t, "application")
	switch kind {
	case "issue":
		p.issue()
	case "begin":
		p.begin()
	case "present":
		p.present()
	case "end-family":
		if len(p.families) > 0 {
			f := rapid.SampledFrom(p.families).Draw(p.t, "family")
			p.add(&events.RefreshFamilyEnded{Family: f.Family, Application: f.Application, User: f.User, Reason: "test"})
		}
	case "wait":
		p.now = p.now.Add(someStep.Draw(p.t, "wait")).Truncate(time.Microsecond)
	case "revoke":
		if len(p.tokens) > 0 {
			d := rapid.SampledFrom(p.tokens).Draw(p.t, "token")
			p.add(&events.TokenRevoked{ID: d.ID, Application: d.Application, Reason: "test"})
		}
	case "rotate":
		p.add(&events.SecretRotated{ID: id, Secret: someDigest})
	case "overlap":
		ends := p.now.Add(someStep.Draw(p.t, "for")).Truncate(time.Microsecond)
		p.add(&events.SecretRotated{ID: id, Secret: someDigest, EndsAt: ends})
	case "end":
		p.add(&events.ApplicationTokensRevoked{ID: id})
	case "shut-app":
		p.add(&events.ApplicationDisabled{ID: id})
	case "open-app":
		p.add(&events.ApplicationEnabled{ID: id})
	case "shut":
		p.add(&events.OrganizationDisabled{ID: "acme"})
	case "open":
		p.add(&events.OrganizationEnabled{ID: "acme"})
	case "end-all":
		p.add(&events.OrganizationTokensRevoked{ID: "acme", Reason: "test"})
	case "disable":
		p.add(&events.UserDisabled{ID: "u1"})
	case "enable":
		p.add(&events.UserEnabled{ID: "u1"})
	case "delete":
		if seldom.Draw(p.t, "delete") {
			p.add(&events.ApplicationDeleted{ID: id})
		}
	}
}

// What the trail tells of every token agrees with the state's own judgement,
// and the event that it names is the first after which the token was dead.
func TestTrailAgreesWithTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t)
		now := p.now.Add(someStep.Draw(t, "later"))
		trail := newTrail(projections.New(), func(*events.TokenIssued) bool { return true })
		dead := map[events.TokenID]string{} // the first event that was followed by death
		err := p.history(t.Context(), func(r *Record) error {
			for i := range r.Events {
				if err := trail.apply(r, i); err != nil {
					return err
				}
				for _, d := range p.tokens {
					held, ok := trail.state.Token(d.ID)
					if _, known := dead[d.ID]; ok && !known && trail.state.Liveness(held, trail.state.Time) != projections.Live {
						dead[d.ID] = r.Events[i].ID
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range trail.found {
			token.judge(now)
			checkToken(t, trail.state, token, now)
			if e := token.End; e != nil && e.Event != nil && !e.At.After(e.Event.Time) && e.Reason != ReasonDeadOnArrival && dead[token.ID] != e.Event.ID {
				t.Errorf("token of %d: the trail blames %s, it was dead after %s", token.Issued.Position, e.Event.ID, dead[token.ID])
			}
		}
	})
}

func checkToken(t *rapid.T, s *projections.State, token *Token, now time.Time) {
	held, ok := s.Token(token.ID)
	if !ok {
		if token.Status == "live" {
			t.Errorf("token of %d is live, and swept", token.Issued.Position)
		}
		return
	}
	want := s.Liveness(held, now).String()
	if token.Status != want && (want != "expired" || token.Status != "revoked") {
		t.Errorf("token of %d is %s, want %s", token.Issued.Position, token.Status, want)
	}
}

// What is counted between two moments is what the trail tells of the tokens.
func TestTalliesAgreeWithTheTrail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t)
		cut := rapid.IntRange(0, len(p.records)).Draw(t, "cut")
		end := p.now.Add(someStep.Draw(t, "later"))
		s := projections.New()
		for _, r := range p.records[:cut] {
			if err := r.fold(s); err != nil {
				t.Fatal(err)
			}
		}
		begin := s.Time
		d := differ{state: s, count: newCounter(s, begin)}
		trail := newTrail(projections.New(), func(*events.TokenIssued) bool { return true })
		for n, r := range p.records {
			for i := range r.Events {
				if err := trail.apply(r, i); err != nil {
					t.Fatal(err)
				}
				if n < cut {
					continue
				}
				if err := d.apply(r, i); err != nil {
					t.Fatal(err)
				}
			}
		}
		if diff := cmp.Diff(naive(trail, events.Position(cut), begin, end), d.count.close(end)); diff != "" {
			t.Error(diff)
		}
	})
}

func naive(trail *trail, cut events.Position, begin, end time.Time) []Tally {
	of := map[string]*Tally{}
	for _, token := range trail.found {
		n := of[token.Application]
		if n == nil {
			n = &Tally{Organization: "acme", Application: token.Application}
			of[token.Application] = n
		}
		if token.judge(end); token.End != nil && token.Issued.Position <= cut && (token.End.Event == nil || token.End.Event.Position <= cut) && !token.End.At.After(begin) {
			continue // before
		}
		switch {
		case token.Issued.Position > cut:
			n.Issued++
		default:
			n.Before++
		}
		switch {
		case token.Status == "live":
			n.After++
		case token.Status == "expired":
			n.Expired++
		case token.End.Reason == ReasonDeadOnArrival:
			n.DeadOnArrival++
		default:
			n.Revoked++
		}
	}
	var all []Tally
	for _, n := range of {
		if *n != (Tally{Organization: "acme", Application: n.Application}) {
			all = append(all, *n)
		}
	}
	slices.SortFunc(all, func(a, b Tally) int { return int(a.Application[1]) - int(b.Application[1]) })
	if all == nil {
		return []Tally{}
	}
	return all
}
