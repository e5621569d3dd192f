package projections_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// refreshDigest is the digest of the n-th token of a family.
func refreshDigest(family string, n int) (d events.TokenDigest) {
	copy(d[:8], family)
	binary.BigEndian.PutUint64(d[8:], uint64(n+1))
	return d
}

func familyBegun(family, application string, secret int, user string, after, life time.Duration) *events.RefreshIssued {
	d := &events.RefreshIssued{
		Family: family, Digest: refreshDigest(family, 0), Application: application, Secret: secret, User: user, Scope: "read",
		IssuedAt: epoch.Add(after).Unix(), ExpiresAt: epoch.Add(after + life).Unix(),
	}
	if user != "" {
		d.UserVersion = 1
	}
	return d
}

// presented is the presentation of the n-th token, whose successor is the one
// after it, at another place for another key.
func presented(family string, n int, application string, secret int, key string) *events.RefreshPresented {
	d := &events.RefreshPresented{
		Family: family, Digest: refreshDigest(family, n), Successor: refreshDigest(family, n+1),
		Repeatable: key != "", Application: application, Secret: secret,
	}
	if key != "" && key != "k" {
		copy(d.Successor[4:8], key)
	}
	return d
}

// refreshHistories draws what mostly happens to families of a few applications
// and users that are there from the start.
func refreshHistories(maxPages int) *rapid.Generator[[]page] {
	return rapid.Custom(func(t *rapid.T) []page {
		g := &generator{t: t}
		pages := []page{
			on("acme", 0, created("a2", false)), on("beta", 0, created("a1", false)), on("acme", 0, created("pub", true)),
			on("acme", 0, userCreated("u2", "h2")), on("beta", 0, userCreated("u1", "h1")),
		}
		for range rapid.IntRange(1, maxPages).Draw(t, "pages") {
			if rapid.IntRange(0, 9).Draw(t, "other") == 0 {
				pages = append(pages, g.page())
				continue
			}
			g.now += time.Duration(rapid.SampledFrom([]int{0, 0, 1, 5, 4000, -30}).Draw(t, "step")) * time.Second
			g.latest = max(g.latest, g.now)
			app := rapid.SampledFrom([]string{"a1", "a2", "a2", "pub"}).Draw(t, "app")
			pages = append(pages, g.refresh(organizations[int(app[len(app)-1])%2], app))
		}
		return pages
	})
}

// drawnFamily is a family that a history began or tried to.
type drawnFamily struct {
	*events.RefreshIssued
	organization string
}

// refresh draws what may happen to families: presentations of any token in any
// order, also of others' clients and of tokens that never were.
func (g *generator) refresh(org, app string) page {
	if len(g.families) == 0 || rapid.IntRange(0, 7).Draw(g.t, "begin") == 0 {
		return g.beginFamily(org, app)
	}
	// The latest are most likely to have life in them.
	f := rapid.SampledFrom(g.families[max(0, len(g.families)-3):]).Draw(g.t, "family")
	org, app = f.organization, f.Application
	if rapid.IntRange(0, 9).Draw(g.t, "foreign client") == 0 {
		org, app = g.organization(), g.application()
	}
	if rapid.IntRange(0, 9).Draw(g.t, "end") == 0 {
		return on(org, g.now, &events.RefreshFamilyEnded{Family: f.Family, Application: app, User: f.User, Reason: "test"})
	}
	n := rapid.IntRange(0, 3).Draw(g.t, "token")
	secret := rapid.SampledFrom([]int{f.Secret, f.Secret, f.Secret, g.secret()}).Draw(g.t, "secret")
	d := presented(f.Family, n, app, secret, rapid.SampledFrom([]string{"", "k", "k", "l"}).Draw(g.t, "key"))
	return on(org, g.now, d, g.tokenOf(f, app, secret))
}

func (g *generator) beginFamily(org, app string) page {
	user := rapid.SampledFrom([]string{"", "u1", "u2", users[slices.Index(organizations, org)^1]}).Draw(g.t, "user")
	life := rapid.SampledFrom([]int{10, 3600, 30 * 86400}).Draw(g.t, "life")
	secret := rapid.SampledFrom([]int{1, 1, g.secret()}).Draw(g.t, "secret")
	if app == "pub" {
		secret = 0
	}
	d := familyBegun(fmt.Sprintf("f%06d", len(g.families)), app, secret, user, g.now, time.Duration(life)*time.Second)
	if user != "" {
		d.UserVersion = rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(g.t, "version")
	}
	g.families = append(g.families, drawnFamily{d, org})
	return on(org, g.now, d, g.tokenOf(g.families[len(g.families)-1], app, d.Secret))
}

func (g *generator) tokenOf(f drawnFamily, app string, secret int) *events.TokenIssued {
	d := issued(len(g.tokens), app, secret, g.now, time.Hour)
	d.Family, d.User, d.UserVersion = f.Family, f.User, f.UserVersion
	g.tokens = append(g.tokens, d)
	return d
}

// modelFamily is a family the naive way: the list of its tokens.
type modelFamily struct {
	*events.RefreshIssued
	organization string
	secret       int
	chain        []events.TokenDigest
	repeatable   bool
	dead         bool
}

func (m *model) refresh(p page, d events.Data) {
	switch d := d.(type) {
	case *events.RefreshIssued:
		f := &modelFamily{d, p.organization, d.Secret, []events.TokenDigest{d.Digest}, false, false}
		if m.families[d.Family] == nil && m.refreshable(f, p.time) && (d.User == "" || m.loggedIn(p, &events.TokenIssued{User: d.User, UserVersion: d.UserVersion})) {
			m.families[d.Family] = f
		}
	case *events.RefreshPresented:
		f := m.families[d.Family]
		switch m.judge(p.organization, d, p.time) {
		case projections.Rotated:
			f.chain, f.repeatable, f.secret = append(f.chain, d.Successor), d.Repeatable, max(f.secret, d.Secret)
		case projections.Reused:
			m.endFamily(f)
		}
	case *events.RefreshFamilyEnded:
		if f := m.families[d.Family]; f != nil && f.organization == p.organization && f.Application == d.Application {
			m.endFamily(f)
		}
	}
}

func (m *model) endFamily(f *modelFamily) {
	f.dead = true
	for _, t := range m.tokens {
		if t.Family == f.Family {
			t.dead = true
		}
	}
}

// endFamilies is what becomes of families when all tokens of an application or
// a user end.
func (m *model) endFamilies(application, user string) {
	for _, f := range m.families {
		f.dead = f.dead || application != "" && f.Application == application || user != "" && f.User == user
	}
}

func (m *model) live(organization, application string, secret int, now time.Time) bool {
	a := m.apps[application]
	if a == nil || a.organization != organization || a.disabled || m.shut[organization] {
		return false
	}
	if secret == 0 {
		return a.versions == 0
	}
	ends, ok := a.ends[secret]
	return ok && (ends.IsZero() || now.Before(ends))
}

func (m *model) refreshable(f *modelFamily, now time.Time) bool {
	u := m.users[f.User]
	return !f.dead && now.Unix() < f.ExpiresAt && m.live(f.organization, f.Application, f.secret, now) &&
		(f.User == "" || u != nil && u.organization == f.organization && !u.disabled)
}

func (m *model) judge(organization string, d *events.RefreshPresented, now time.Time) projections.Presentation {
	f := m.families[d.Family]
	if f == nil || f.organization != organization || f.Application != d.Application || !m.refreshable(f, now) ||
		!m.live(organization, d.Application, d.Secret, now) {
		return projections.Refused
	}
	last := len(f.chain) - 1
	switch i := slices.Index(f.chain, d.Digest); {
	case i < 0:
		return projections.Refused
	case i == last:
		return projections.Rotated
	case i == last-1 && d.Successor == f.chain[last] && d.Repeatable && f.repeatable:
		return projections.Repeated
	}
	return projections.Reused
}

// compareFamilies asks both about every presentation that could come next.
func compareFamilies(t *rapid.T, s *projections.State, m *model) {
	for id, f := range m.families {
		for _, after := range []time.Duration{0, 9 * time.Second, time.Hour} {
			now := m.latest.Add(after)
			for n := range 4 {
				for _, key := range []string{"", "k", "l"} {
					d := presented(id, n, f.Application, f.secret, key)
					got, want := s.Judge(f.organization, d, now), m.judge(f.organization, d, now)
					if got != want {
						t.Fatalf("token %d of %s with key %q at %v: %v, want %v", n, id, key, now, got, want)
					}
					if other := s.Judge("nobody", d, now); other != projections.Refused {
						t.Fatalf("another organization's presentation: %v", other)
					}
				}
			}
		}
		got, ok := s.Refreshes.Get(id)
		if ok && got.Ended == "" && (got.Current != f.chain[len(f.chain)-1] || !slices.Equal(got.Former, f.chain[:len(f.chain)-1])) {
			t.Fatalf("family %s is %+v, want the chain %v", id, got, f.chain)
		}
	}
}
