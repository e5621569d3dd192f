package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/projections/follow"
)

// scenario is a log whose every id and time is known: an application is made,
// gets tokens and uses them, its secret leaks and is rotated, a token is
// revoked, the server restarts, and in the end all of it is deleted.
type scenario struct {
	t    *testing.T
	data string
	site *site
	j    *journal.Journal
	f    *follow.Follower
	n    int // events so far
}

// clock returns a time of the day of the scenario, such as "12:04:30".
func clock(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, "2024-01-02T"+text+"Z")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

const (
	adminSecret = "a secret that only this test knows"
	theApp      = "a_integration"
	theAdmin    = "a_admin"
)

// recordScenario makes the data directory of the scenario.
func recordScenario(t *testing.T) *scenario {
	t.Helper()
	s := &scenario{t: t, data: filepath.Join(t.TempDir(), "data")}
	s.start("r_first")
	s.keysAndAdministrator()
	s.at("12:01:00", &events.ApplicationCreated{
		ID: theApp, ClientID: "app_integration", Secret: s.digest("first"),
		ApplicationSettings: events.ApplicationSettings{Name: "Integration", Scopes: []string{"read:customers", "write:customers"}},
	})
	s.issue("12:02:00", 1, 1, time.Hour, "read:customers write:customers")
	s.at("12:03:00", &events.UsageRecorded{Report: 1, Usage: []events.Usage{
		{Organization: "default", Application: theApp, Secret: 1, Second: clock(t, "12:02:30").Unix(), Admitted: 3, Errors: 1},
		{Organization: "default", Application: theAdmin, Secret: 1, Second: clock(t, "12:02:31").Unix(), Admitted: 7},
	}})
	s.issue("12:04:00", 2, 1, 10*time.Minute, "read:customers")
	s.stop()

	s.start("r_second")
	s.at("12:05:00", &events.ApplicationUpdated{
		ID: theApp, ApplicationSettings: events.ApplicationSettings{Name: "Integration", Description: "Reads only", Scopes: []string{"read:customers"}},
	})
	s.at("12:06:00", &events.SecretRotated{ID: theApp, Secret: s.digest("second"), EndsAt: clock(t, "12:20:00")})
	s.issue("12:07:00", 3, 2, time.Hour, "read:customers")
	s.issue("12:08:00", 4, 1, time.Hour, "read:customers")
	s.at("12:09:00", &events.TokenRevoked{ID: jti(1), Application: theApp, Reason: command.ReasonClient})
	s.at("12:25:00", &events.SecretRotated{ID: theApp, Secret: s.digest("third")})
	s.issue("12:26:00", 5, 2, time.Hour, "read:customers") // decided before the rotation landed
	s.issue("12:27:00", 6, 3, time.Hour, "read:customers")
	s.at("12:30:00", &events.ApplicationDeleted{ID: theApp})
	s.stop()
	return s
}

// start opens the log and follows it, as a server does.
func (s *scenario) start(replica string) {
	s.t.Helper()
	set := &serveSettings{Log: logSettings{Data: s.data}}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if s.site, err = openToServe(set, quiet); err != nil {
		s.t.Fatal(err)
	}
	if s.j, err = s.site.openJournal(s.t.Context(), replica, 1, quiet); err != nil {
		s.t.Fatal(err)
	}
	if s.f, err = follow.Start(s.t.Context(), follow.Config{
		Journal: s.j, Dir: set.Log.stateDir(), Key: s.site.Master.Derive(follow.KeyPurpose), Single: true,
	}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.f.WaitReady(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// stop keeps a snapshot, as a server does.
func (s *scenario) stop() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, err := range []error{s.f.Close(ctx), closeJournal(s.j), s.site.Close()} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *scenario) digest(secret string) *events.SecretDigest {
	d := credential.NewHasher(s.site.Master.Derive(credential.Purpose)).Digest(secret)
	return &d
}

// keysAndAdministrator is what a first start writes.
func (s *scenario) keysAndAdministrator() {
	s.t.Helper()
	s.write("12:00:00", events.KeysSubject(), "",
		&events.KeyCreated{ID: "k_1", Algorithm: "EdDSA", Public: events.RawJSON(`{"kty":"OKP","kid":"k_1"}`), Sealed: []byte{1}, NotBefore: clock(s.t, "12:00:00")},
		&events.KeyActivated{ID: "k_1"})
	s.write("12:00:00", events.BootstrapSubject(), "default",
		&events.OrganizationCreated{ID: "default", Name: "Default"},
		&events.ApplicationCreated{
			ID: theAdmin, ClientID: "app_admin", Secret: s.digest(adminSecret),
			ApplicationSettings: events.ApplicationSettings{Name: "Administrator", Scopes: command.ManagementScopes},
		})
	text, err := json.Marshal(map[string]string{"organizationId": "default", "clientId": "app_admin", "clientSecret": adminSecret})
	if err == nil {
		err = os.WriteFile(s.adminFile(), text, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scenario) adminFile() string { return filepath.Join(s.data, "admin.json") }

// at writes an event of the organization, caused by its administrator.
func (s *scenario) at(when string, d events.Data) {
	s.t.Helper()
	subject, err := events.SubjectFor("default", d)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(when, subject, "default", d)
}

func (s *scenario) write(when, subject, organization string, data ...events.Data) {
	s.t.Helper()
	var evs []*events.Event
	for _, d := range data {
		s.n++
		e := &events.Event{
			ID: fmt.Sprintf("e_%02d", s.n), Time: clock(s.t, when), Organization: organization,
			Correlation: fmt.Sprintf("r_request%02d", s.n), Data: d,
		}
		switch d.(type) {
		case *events.TokenIssued, *events.TokenRevoked:
			e.Actor.Application = theApp
		case *events.ApplicationUpdated, *events.SecretRotated, *events.ApplicationDeleted:
			e.Actor.Application = theAdmin
		case *events.UsageRecorded:
			e.Organization, e.Correlation = "", ""
		}
		evs = append(evs, e)
	}
	position, err := s.j.Append(s.t.Context(), subject, evs...)
	if err == nil {
		err = s.f.WaitFor(s.t.Context(), position)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// jti is the id of a token of the scenario, and compact its string.
func jti(n byte) (id events.TokenID) {
	for i := range id {
		id[i] = n<<4 | n
	}
	return id
}

func compact(n byte) string {
	part := base64.RawURLEncoding.EncodeToString
	return strings.Join([]string{part([]byte(`{"alg":"EdDSA","typ":"at+jwt"}`)), part([]byte(`{"jti":"` + jti(n).String() + `"}`)), part([]byte("signature"))}, ".")
}

func (s *scenario) issue(when string, n byte, secret int, life time.Duration, scope string) {
	s.t.Helper()
	at := clock(s.t, when)
	s.at(when, &events.TokenIssued{
		ID: jti(n), Digest: authn.Digest(compact(n)), Application: theApp, Secret: secret,
		Grant: "client_credentials", Scope: scope, Key: "k_1", IssuedAt: at.Unix(), ExpiresAt: at.Add(life).Unix(),
	})
}
