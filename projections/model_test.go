package projections_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// model judges tokens the naive way: whatever ends something walks over all
// tokens and ends each. It forgets nothing.
type model struct {
	position events.Position
	latest   time.Time
	apps     map[string]*modelApp
	shut     map[string]bool // organizations
	services map[string]*modelService
	users    map[string]*modelUser
	families map[string]*modelFamily
	handles  map[string]string // → user, "ended" before it until it is erased
	endings  map[string]string // handle → organization
	tokens   map[events.TokenID]*modelToken
	order    []events.TokenID
	requests map[events.RequestDigest]time.Time // log time of the first
}

type modelApp struct {
	organization string
	versions     int
	disabled     bool
	ends         map[int]time.Time // by live secret version; zero: no end
}

type modelToken struct {
	events.TokenIssued
	organization string
	dead         bool
	deadAt       time.Time // zero: never
}

func (m *model) apply(p page) {
	m.position++
	if p.time.After(m.latest) {
		m.latest = p.time
	}
	for _, d := range p.data {
		if keyed, ok := d.(*events.RequestKeyed); ok {
			if first, known := m.requests[keyed.Key]; known && m.latest.Sub(first) < projections.RequestMemory {
				return // it came again: what follows did not happen
			}
			m.requests[keyed.Key] = m.latest
		}
		m.event(p, d)
	}
}

func (m *model) event(p page, d events.Data) {
	switch d := d.(type) {
	case *events.ApplicationCreated:
		if m.apps[d.ID] == nil {
			a := &modelApp{organization: p.organization, ends: map[int]time.Time{}}
			if d.Secret != nil {
				a.versions, a.ends[1] = 1, time.Time{}
			}
			m.apps[d.ID] = a
		}
	case *events.OrganizationTokensRevoked:
		if _, known := m.shut[d.ID]; known && d.ID == p.organization {
			m.endAll(d.ID)
		}
	case *events.ApplicationDeleted:
		if a := m.owned(p, d.ID); a != nil {
			delete(m.apps, d.ID)
			m.endFamilies(d.ID, "")
			m.each(d.ID, func(t *modelToken) { t.dead = true })
		}
	case *events.ApplicationTokensRevoked:
		if a := m.owned(p, d.ID); a != nil {
			m.endFamilies(d.ID, "")
			m.each(d.ID, func(t *modelToken) { t.dead = true })
		}
	case *events.ApplicationDisabled:
		if a := m.owned(p, d.ID); a != nil {
			a.disabled = true
			m.endFamilies(d.ID, "")
			m.each(d.ID, func(t *modelToken) { t.dead = true })
		}
	case *events.ApplicationEnabled:
		if a := m.owned(p, d.ID); a != nil {
			a.disabled = false
		}
	case *events.OrganizationCreated:
		if _, known := m.shut[d.ID]; !known {
			m.shut[d.ID] = false
		}
	case *events.OrganizationDisabled:
		if _, known := m.shut[d.ID]; known && d.ID == p.organization {
			m.shut[d.ID] = true
			m.endAll(d.ID)
		}
	case *events.OrganizationEnabled:
		if _, known := m.shut[d.ID]; known {
			m.shut[d.ID] = false
		}
	case *events.SecretRotated:
		m.rotate(p, d)
	case *events.TokenIssued:
		m.issue(p, d)
	default:
		m.service(p, d)
		m.user(p, d)
		m.refresh(p, d)
	case *events.TokenRevoked:
		if t := m.tokens[d.ID]; t != nil && t.organization == p.organization && t.Application == d.Application {
			t.dead = true
		}
	}
}

func (m *model) owned(p page, id string) *modelApp {
	if a := m.apps[id]; a != nil && a.organization == p.organization {
		return a
	}
	return nil
}

func (m *model) each(application string, do func(*modelToken)) {
	for _, t := range m.tokens {
		if t.Application == application {
			do(t)
		}
	}
}

// endAll is what becomes of an organization's tokens and families when it is
// disabled.
func (m *model) endAll(organization string) {
	for _, t := range m.tokens {
		t.dead = t.dead || t.organization == organization
	}
	for _, f := range m.families {
		f.dead = f.dead || f.organization == organization
	}
}

func (m *model) rotate(p page, d *events.SecretRotated) {
	a := m.owned(p, d.ID)
	if a == nil {
		return
	}
	for v, ends := range a.ends {
		switch {
		case d.EndsAt.IsZero(), !ends.IsZero() && !p.time.Before(ends):
			delete(a.ends, v)
			m.each(d.ID, func(t *modelToken) { t.dead = t.dead || t.Secret == v })
		case ends.IsZero() || d.EndsAt.Before(ends):
			a.ends[v] = d.EndsAt
			m.each(d.ID, func(t *modelToken) {
				if t.Secret == v && (t.deadAt.IsZero() || d.EndsAt.Before(t.deadAt)) {
					t.deadAt = d.EndsAt
				}
			})
		}
	}
	if a.versions == 0 { // no longer a public client
		m.each(d.ID, func(t *modelToken) { t.dead = true })
	}
	a.versions++
	a.ends[a.versions] = time.Time{}
}

func (m *model) issue(p page, d *events.TokenIssued) {
	if m.tokens[d.ID] != nil {
		return
	}
	t := &modelToken{TokenIssued: *d, organization: p.organization}
	if d.Service != "" {
		t.dead = !m.backed(p, d)
	} else if a := m.owned(p, d.Application); a == nil || a.disabled {
		t.dead = true
	} else if ends, ok := a.ends[d.Secret]; d.Secret == 0 && a.versions > 0 || d.Secret > 0 && !ok {
		t.dead = true
	} else if t.deadAt = ends; !ends.IsZero() && !p.time.Before(ends) {
		t.dead = true
	}
	t.dead = t.dead || m.shut[p.organization] || d.User != "" && !m.loggedIn(p, d)
	if d.Family != "" {
		f := m.families[d.Family]
		t.dead = t.dead || f == nil || f.organization != p.organization || f.Application != d.Application || !m.refreshable(f, p.time)
	}
	m.tokens[d.ID] = t
	m.order = append(m.order, d.ID)
}

func (m *model) liveness(id events.TokenID, now time.Time) projections.Liveness {
	t := m.tokens[id]
	switch {
	case now.Unix() >= t.ExpiresAt:
		return projections.Expired
	case t.dead, !t.deadAt.IsZero() && !now.Before(t.deadAt):
		return projections.Revoked
	}
	return projections.Live
}

func TestStateEqualsModel(t *testing.T) { checkAgainstModel(t, histories(60)) }

func TestRefreshTokensEqualModel(t *testing.T) { checkAgainstModel(t, refreshHistories(30)) }

func checkAgainstModel(t *testing.T, histories *rapid.Generator[[]page]) {
	rapid.Check(t, func(t *rapid.T) {
		pages := histories.Draw(t, "history")
		s := projections.New()
		m := &model{
			apps: map[string]*modelApp{}, shut: map[string]bool{}, services: map[string]*modelService{},
			users: map[string]*modelUser{}, handles: map[string]string{}, endings: map[string]string{},
			families: map[string]*modelFamily{},
			tokens:   map[events.TokenID]*modelToken{}, requests: map[events.RequestDigest]time.Time{},
		}
		for _, p := range pages {
			apply(t, s, p)
			m.apply(p)
			compareTokens(t, s, m)
			compareFamilies(t, s, m)
		}
	})
}

func compareTokens(t *rapid.T, s *projections.State, m *model) {
	for id, want := range m.tokens {
		swept := want.ExpiresAt <= m.latest.Unix()
		for _, after := range []time.Duration{-100, 0, 31, 3600} {
			now := m.latest.Add(after * time.Second)
			got, l := s.Lookup(id, digestOf(id), now)
			if l == projections.Unknown && swept {
				continue
			}
			if w := m.liveness(id, now); l != w {
				t.Fatalf("token %v at %v is %v, want %v: %+v", id, now, l, w, got)
			}
			if got.Scope != want.Scope || got.User != want.User || got.Family != want.Family || got.Service != want.Service || got.Organization != want.organization {
				t.Fatalf("token %v is %+v, want %+v", id, got, want)
			}
		}
		if _, l := s.Lookup(id, events.TokenDigest{}, m.latest); l != projections.Unknown {
			t.Fatalf("token %v with another digest is %v", id, l)
		}
	}
	for _, app := range slices.Concat(applications, credentials) {
		compareListing(t, s, m, app)
	}
}

// compareListing: newest first, all but swept tokens; pages of it join up.
func compareListing(t *rapid.T, s *projections.State, m *model, app string) {
	var want, got, paged []events.TokenID
	for _, id := range slices.Backward(m.order) {
		if tok := m.tokens[id]; tok.Application == app {
			if _, ok := s.Token(id); ok {
				want = append(want, id)
			} else if tok.ExpiresAt > m.latest.Unix() {
				t.Fatalf("token %v vanished", id)
			}
		}
	}
	for tok := range s.TokensOf(app, nil) {
		got = append(got, tok.ID)
	}
	for place := (*projections.TokenPlace)(nil); ; {
		n := 0
		for tok := range s.TokensOf(app, place) {
			paged = append(paged, tok.ID)
			at := tok.Place()
			if n++; n == 2 {
				at.ID = events.TokenID{} // as if it had been swept
			}
			if place = &at; n == 2 {
				break
			}
		}
		if n == 0 {
			break
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("listing of %s (-want +got):\n%s", app, d)
	}
	if d := cmp.Diff(want, paged); d != "" {
		t.Fatalf("paged listing of %s (-want +got):\n%s", app, d)
	}
}

func TestEndedStaysEnded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pages, _ := drawn(t, histories(60))
		s := projections.New()
		ended := map[events.TokenID]bool{}
		var ids []events.TokenID
		for _, p := range pages {
			apply(t, s, p)
			for _, d := range p.data {
				if tok, ok := d.(*events.TokenIssued); ok {
					ids = append(ids, tok.ID)
				}
			}
			for _, id := range ids {
				_, l := s.Lookup(id, digestOf(id), s.Time)
				if ended[id] && l == projections.Live {
					t.Fatalf("token %v lives again", id)
				}
				ended[id] = ended[id] || l != projections.Live
			}
		}
	})
}
