package projections_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

var epoch = time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)

// page is a record as a history has it.
type page struct {
	subject      string
	organization string
	time         time.Time
	data         []events.Data
	replica      string
}

// apply folds a page in, as followers do.
func apply(t require, s *projections.State, p page) {
	t.Helper()
	r := projections.Record{Position: s.Position + 1, Subject: p.subject}
	for i, d := range p.data {
		e := &events.Event{
			ID: "e_1", Type: d.EventType(), Version: 1, Time: p.time, Organization: p.organization, Data: d,
			Actor: events.Actor{Replica: p.replica},
		}
		if err := s.Apply(r, i, e); err != nil {
			t.Fatalf("apply: %v", err)
		}
	}
	s.Position = r.Position
	binary.BigEndian.PutUint64(s.Chain[:], uint64(r.Position))
}

type require interface {
	Helper()
	Fatalf(format string, args ...any)
}

func replayed(t require, pages []page) *projections.State {
	t.Helper()
	s := projections.New()
	for _, p := range pages {
		apply(t, s, p)
	}
	return s
}

func on(organization string, after time.Duration, data ...events.Data) page {
	subject, err := events.SubjectFor(organization, data[0])
	if err != nil {
		panic(err)
	}
	return page{subject: subject, organization: organization, time: epoch.Add(after), data: data}
}

func tokenID(n int) (id events.TokenID) {
	// Spread over the shards and tags as random ones are.
	binary.BigEndian.PutUint64(id[:], uint64(n+1)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func digestOf(id events.TokenID) (d events.TokenDigest) {
	for i := range id {
		d[i] = ^id[i]
	}
	return d
}

func issued(n int, application string, secret int, after, life time.Duration) *events.TokenIssued {
	id := tokenID(n)
	return &events.TokenIssued{
		ID: id, Digest: digestOf(id), Application: application, Secret: secret,
		Grant: "client_credentials", Scope: "read:customers", Key: "k1",
		IssuedAt: epoch.Add(after).Unix(), ExpiresAt: epoch.Add(after + life).Unix(),
	}
}

func created(id string, public bool) *events.ApplicationCreated {
	d := &events.ApplicationCreated{ID: id, ClientID: "app_" + id}
	d.Name = id
	if !public {
		d.Secret = &events.SecretDigest{1}
	}
	return d
}

func rotated(id string, endsAt time.Time) *events.SecretRotated {
	return &events.SecretRotated{ID: id, Secret: &events.SecretDigest{2}, EndsAt: endsAt}
}

// histories draws what a log may hold, sensible or not: foreign
// organizations, secrets that never were, deleted and recreated applications,
// clocks that jump.
func histories(maxPages int) *rapid.Generator[[]page] {
	return rapid.Custom(func(t *rapid.T) []page {
		g := &generator{t: t}
		pages := make([]page, rapid.IntRange(1, maxPages).Draw(t, "pages"))
		for i := range pages {
			pages[i] = g.keyed(g.page())
		}
		return pages
	})
}

// keyed makes a page that of a request with an Idempotency-Key, now and then.
// Tokens are issued without.
func (g *generator) keyed(p page) page {
	if p.subject == events.TokensSubject() || rapid.IntRange(0, 4).Draw(g.t, "keyed") > 0 {
		return p
	}
	return keyed(byte(rapid.IntRange(1, 5).Draw(g.t, "key")), byte(rapid.IntRange(0, 255).Draw(g.t, "nonce")), p)
}

func keyed(key, nonce byte, p page) page {
	d := &events.RequestKeyed{Key: events.RequestDigest{key}, Request: events.RequestDigest{9}, Nonce: events.RequestNonce{nonce}, Covers: len(p.data)}
	p.data = append([]events.Data{d}, p.data...)
	return p
}

type generator struct {
	t      *rapid.T
	now    time.Duration
	latest time.Duration // log time
	tokens []*events.TokenIssued
	keys   int

	families []drawnFamily
}

var (
	organizations = []string{"acme", "beta"}
	applications  = []string{"a1", "a2", "a3", "pub"}
)

func (g *generator) organization() string { return rapid.SampledFrom(organizations).Draw(g.t, "org") }
func (g *generator) application() string  { return rapid.SampledFrom(applications).Draw(g.t, "app") }
func (g *generator) secret() int          { return rapid.IntRange(0, 3).Draw(g.t, "secret") }

func (g *generator) page() page {
	step := rapid.SampledFrom([]int{0, 0, 1, 5, 20, 61, 200, 4000, -30}).Draw(g.t, "step")
	g.now += time.Duration(step) * time.Second
	g.latest = max(g.latest, g.now)
	// An application has the same owner nearly always, as its id says who made it.
	app := g.application()
	org := organizations[int(app[len(app)-1])%2]
	if rapid.IntRange(0, 9).Draw(g.t, "foreign") == 0 {
		org = g.organization()
	}
	switch rapid.SampledFrom([]string{"issue", "issue", "issue", "revoke", "revoke", "app", "app", "edit", "rotate", "end", "end all", "delete", "org", "keys", "usage", "usage", "service", "service", "service", "user", "user", "user", "connection", "connection", "webhook", "webhook", "refresh", "refresh", "refresh", "refresh"}).Draw(g.t, "kind") {
	case "issue":
		return on(org, g.now, g.issues(app)...)
	case "revoke":
		if len(g.tokens) > 0 {
			tok := rapid.SampledFrom(g.tokens).Draw(g.t, "victim")
			return on(org, g.now, &events.TokenRevoked{ID: tok.ID, Application: tok.Application})
		}
	case "edit":
		d := &events.ApplicationUpdated{ID: app}
		d.Name = rapid.StringN(0, 5, -1).Draw(g.t, "name")
		d.Scopes = []string{"read", "write"}
		return on(org, g.now, d)
	case "rotate":
		var ends time.Time
		if overlap := rapid.SampledFrom([]int{0, 0, 30, 100, -5}).Draw(g.t, "overlap"); overlap != 0 {
			ends = epoch.Add(g.now + time.Duration(overlap)*time.Second)
		}
		return on(org, g.now, rotated(app, ends))
	case "end":
		return on(org, g.now, rapid.SampledFrom([]events.Data{
			&events.ApplicationTokensRevoked{ID: app}, &events.ApplicationDisabled{ID: app}, &events.ApplicationEnabled{ID: app},
		}).Draw(g.t, "end"))
	case "end all":
		return on(org, g.now, &events.OrganizationTokensRevoked{ID: org})
	case "delete":
		return on(org, g.now, &events.ApplicationDeleted{ID: app})
	case "org":
		if d := rapid.SampledFrom([]events.Data{
			nil, nil, &events.OrganizationDisabled{ID: org}, &events.OrganizationEnabled{ID: org}, &events.OrganizationEnabled{ID: org},
		}).Draw(g.t, "shut"); d != nil {
			return on(org, g.now, d)
		}
		return on(org, g.now,
			&events.OrganizationCreated{ID: org, Name: "O <&>\u2028", Limits: events.Limits{PerHour: 3}},
			&events.ScopesSet{ID: org, Scopes: []events.Scope{{Name: "read", Routes: []string{"GET /"}}}})
	case "keys":
		return g.key()
	case "usage":
		return g.usage(org)
	case "service":
		return g.service()
	case "user":
		return g.user()
	case "connection":
		return g.connection(org)
	case "webhook":
		return g.webhook(org)
	case "refresh":
		return g.refresh(org, app)
	}
	return on(org, g.now, created(app, app == "pub"))
}

func (g *generator) issues(app string) []events.Data {
	var data []events.Data
	for range rapid.IntRange(1, 4).Draw(g.t, "count") {
		life := rapid.SampledFrom([]int{1, 60, 90, 3600, -10}).Draw(g.t, "life")
		tok := issued(len(g.tokens), app, g.secret(), g.now, time.Duration(life)*time.Second)
		tok.Scope = rapid.SampledFrom([]string{"", "read", "read write"}).Draw(g.t, "scope")
		if tok.User = rapid.SampledFrom([]string{"", "", "u1", "u2"}).Draw(g.t, "user"); tok.User != "" {
			tok.UserVersion = rapid.SampledFrom([]int{1, 1, 1, 2, 3, 0}).Draw(g.t, "version")
		}
		if live := g.unswept(); len(live) > 0 && rapid.IntRange(0, 9).Draw(g.t, "twice") == 0 {
			again := *rapid.SampledFrom(live).Draw(g.t, "jti")
			tok.ID, tok.Digest = again.ID, again.Digest
			return append(data, tok)
		}
		g.tokens = append(g.tokens, tok)
		data = append(data, tok)
	}
	return data
}

// unswept lists tokens that the log time has not outlived.
func (g *generator) unswept() []*events.TokenIssued {
	return slices.DeleteFunc(slices.Clone(g.tokens), func(d *events.TokenIssued) bool {
		return d.ExpiresAt <= epoch.Add(g.latest).Unix()
	})
}

func (g *generator) key() page {
	g.keys++
	kid := fmt.Sprintf("k%d", rapid.IntRange(1, g.keys).Draw(g.t, "kid"))
	switch rapid.IntRange(0, 3).Draw(g.t, "key") {
	case 0:
		return on("", g.now, &events.KeyActivated{ID: kid})
	case 1:
		return on("", g.now, &events.KeyRetired{ID: kid})
	case 2:
		return on("", g.now, &events.SealingKeyCreated{ID: kid, Wrapped: []byte{1, 2}})
	}
	return on("", g.now, &events.KeyCreated{
		ID: kid, Algorithm: []string{"ES256", "RS256"}[g.keys%2],
		Public: events.RawJSON(`{"kty":"EC"}`), Sealed: []byte{3}, NotBefore: epoch,
	})
}

// usage draws an account; one in some repeats a number.
func (g *generator) usage(org string) page {
	usage := make([]events.Usage, rapid.IntRange(1, 3).Draw(g.t, "entries"))
	for i := range usage {
		usage[i] = events.Usage{
			Organization: org, Application: g.application(), Secret: g.secret(),
			Second:   epoch.Add(g.now).Unix() - int64(rapid.SampledFrom([]int{0, 0, 1, 2, 59, 61, 4000, -5, 1 << 40}).Draw(g.t, "ago")),
			Admitted: rapid.SampledFrom([]int{0, 1, 2, 5, 100, -1}).Draw(g.t, "admitted"),
			Errors:   rapid.IntRange(0, 2).Draw(g.t, "errors"), Refused: rapid.IntRange(0, 2).Draw(g.t, "refused"),
		}
	}
	return accounted(rapid.SampledFrom([]string{"r_1", "r_2"}).Draw(g.t, "replica"), rapid.Uint64Range(0, 40).Draw(g.t, "report"), g.now, usage...)
}

func accounted(replica string, report uint64, after time.Duration, usage ...events.Usage) page {
	for i := range usage {
		if usage[i].Second == 0 {
			usage[i].Second = epoch.Add(after).Unix()
		}
	}
	p := on("", after, &events.UsageRecorded{Report: report, Usage: usage})
	p.replica = replica
	return p
}

// drawn returns a history and where to cut it.
func drawn(t *rapid.T, histories *rapid.Generator[[]page]) (pages []page, cut int) {
	pages = histories.Draw(t, "history")
	return pages, rapid.IntRange(0, len(pages)).Draw(t, "cut")
}

var _ require = (*testing.T)(nil)
