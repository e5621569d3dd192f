package keys_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/keys"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// server is a replica with its keys endpoints and two callers.
type server struct {
	*replica
	*echo.Echo
	admin, reader string // access tokens
}

func newServer(t *testing.T, c *clock) *server {
	t.Helper()
	s := &server{replica: newReplica(t, journaltest.New(t), seal.NewMaster(), c, policy), Echo: echo.New()}
	s.ensureFirst()
	s.HTTPErrorHandler = oauth.ErrorHandler(slog.New(slog.DiscardHandler), journal.ErrUnavailable, journal.ErrUncertain)
	endpoint := &keys.Endpoint{Keeper: s.keeper, Authn: authn.New(authn.Config{
		View: s.follower.View, Verify: s.signer.Verify, Now: c.Now,
	})}
	endpoint.Mount(s.Group(""))
	s.admin, s.reader = s.issue("a_admin", command.ScopeAdmin), s.issue("a_reader", "applications:read applications:write")
	return s
}

// issue registers a public client and records a token of it.
func (s *server) issue(application, scope string) (token string) {
	s.t.Helper()
	id := events.NewTokenID()
	token, kid, err := s.signer.Sign("ES256", "at+jwt", fmt.Appendf(nil, `{"jti":"%s"}`, id))
	if err != nil {
		s.t.Fatal(err)
	}
	now := s.emit.Now()
	for _, d := range []events.Data{
		&events.ApplicationCreated{ID: application, ClientID: application},
		&events.TokenIssued{
			ID: id, Digest: authn.Digest(token), Application: application, Grant: "client_credentials",
			Scope: scope, Key: kid, IssuedAt: now.Unix(), ExpiresAt: now.Add(365 * 24 * time.Hour).Unix(),
		},
	} {
		_, err := s.emit.Do(deadline(s.t), emit.Meta{}, func(*projections.State, time.Time) (command.Decision, error) {
			subject, err := events.SubjectFor("default", d)
			return command.Decision{Organization: "default", Subject: subject, Events: []events.Data{d}}, err
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return token
}

func (s *server) do(method, path, token, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

type shownKey struct {
	ID          string `json:"kid"`
	Algorithm   string `json:"alg"`
	CreatedAt   string `json:"createdAt"`
	NotBefore   string `json:"notBefore"`
	ActivatedAt string `json:"activatedAt,omitempty"`
	Status      string `json:"status"`
}

// list reads an answer strictly: a member that is not expected fails.
func list(t *testing.T, w *httptest.ResponseRecorder) []shownKey {
	t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s, headers %v", w.Code, w.Body, w.Header())
	}
	var answer struct {
		Keys []shownKey `json:"keys"`
	}
	dec := json.NewDecoder(w.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&answer); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return answer.Keys
}

func TestKeysEndpoints(t *testing.T) {
	c := newClock()
	s := newServer(t, c)
	first := s.mustSign("ES256")
	inUse := shownKey{first, "ES256", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z", "active"}
	if diff := cmp.Diff([]shownKey{inUse}, list(t, s.do("GET", "/oauth/keys", s.admin, "", ""))); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}

	w := s.do("POST", "/oauth/keys/rotate", s.admin, "", "")
	if w.Header().Get("Consistency-Token") == "" {
		t.Errorf("no Consistency-Token in %v", w.Header())
	}
	rotated := list(t, w)
	if len(rotated) != 2 {
		t.Fatalf("after the rotation: %+v", rotated)
	}
	second := rotated[1].ID
	waiting := shownKey{second, "ES256", "2026-11-22T10:00:00Z", "2026-11-22T10:05:10Z", "", "pending"}
	if diff := cmp.Diff([]shownKey{inUse, waiting}, rotated); diff != "" {
		t.Errorf("after the rotation (-want +got):\n%s", diff)
	}

	w = s.do("POST", "/oauth/keys/rotate", s.admin, "application/json", `{"alg":"ES256"}`)
	const again = `{"code":409,"message":"A new ES256 key is already published and signs from 2026-11-22T10:05:10Z"}`
	if w.Code != http.StatusConflict || strings.TrimSpace(w.Body.String()) != again {
		t.Errorf("again: %d %s", w.Code, w.Body)
	}

	c.advance(policy.Cache + policy.Lag)
	stop := s.run()
	s.until("the successor takes over", func(k *projections.Keys) bool {
		active, _ := k.Active("ES256")
		return active.ID == second
	})
	s.ensure("EdDSA")
	stop()
	got := list(t, s.do("GET", "/oauth/keys", s.admin, "", ""))
	status := map[string]string{}
	for _, k := range got {
		status[k.ID] = k.Status
	}
	want := map[string]string{first: "replaced", second: "active", s.mustSign("EdDSA"): "active"}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("in the end (-want +got):\n%s", diff)
	}

	w = s.do("POST", "/oauth/keys/rotate", s.admin, "application/json", `{"alg":"EdDSA"}`)
	if rotated := list(t, w); len(rotated) != 4 || rotated[3].Algorithm != "EdDSA" || rotated[3].Status != "pending" {
		t.Errorf("after the rotation of one: %+v", rotated)
	}
}

func TestKeysEndpointsRefuse(t *testing.T) {
	s := newServer(t, newClock())
	before := s.follower.Position()
	for _, c := range []struct {
		name, method, path, token, contentType, body string
		want                                         int
	}{
		{"list without token", "GET", "/oauth/keys", "", "", "", 401},
		{"list with a wrong token", "GET", "/oauth/keys", s.admin + "x", "", "", 401},
		{"list without scope", "GET", "/oauth/keys", s.reader, "", "", 403},
		{"rotate without token", "POST", "/oauth/keys/rotate", "", "", "", 401},
		{"rotate without scope", "POST", "/oauth/keys/rotate", s.reader, "", "", 403},
		{"rotate by GET", "GET", "/oauth/keys/rotate", s.admin, "", "", 405},
		{"rotate none", "POST", "/oauth/keys/rotate", s.admin, "application/json", `{"alg":"none"}`, 400},
		{"rotate an unknown algorithm", "POST", "/oauth/keys/rotate", s.admin, "application/json", `{"alg":"HS256"}`, 400},
		{"rotate an empty name", "POST", "/oauth/keys/rotate", s.admin, "application/json", `{"alg":""}`, 400},
		{"rotate a number", "POST", "/oauth/keys/rotate", s.admin, "application/json", `{"alg":1}`, 400},
		{"rotate with more members", "POST", "/oauth/keys/rotate", s.admin, "application/json", `{"alg":"ES256","kid":"x"}`, 400},
		{"rotate twice named", "POST", "/oauth/keys/rotate", s.admin, "application/json", `{"alg":"ES256","alg":"RS256"}`, 400},
		{"rotate with a tail", "POST", "/oauth/keys/rotate", s.admin, "application/json", `{}{}`, 400},
		{"rotate by a form", "POST", "/oauth/keys/rotate", s.admin, "application/x-www-form-urlencoded", "alg=ES256", 415},
		{"rotate with 1 MB", "POST", "/oauth/keys/rotate", s.admin, "application/json", strings.Repeat(" ", 1<<20), 413},
	} {
		if w := s.do(c.method, c.path, c.token, c.contentType, c.body); w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.want)
		}
	}
	if after := s.follower.Position(); after != before {
		t.Errorf("%d records were written", after-before)
	}
}

// The caller is the actor of the events, the request their correlation, and no
// private key is in the answer.
func TestRotationLeavesATrail(t *testing.T) {
	s := newServer(t, newClock())
	w := s.do("POST", "/oauth/keys/rotate", s.admin, "", "")
	for _, word := range []string{"sealed", "public", `"d"`} {
		if strings.Contains(w.Body.String(), word) {
			t.Errorf("%s in %s", word, w.Body)
		}
	}
	var last events.Event
	err := s.journal.Read(deadline(t), journal.Cursor{}, s.follower.Position(), func(r *journal.Record) error {
		for e, err := range r.Events() {
			if err != nil {
				return err
			}
			last = *e
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	created, ok := last.Data.(*events.KeyCreated)
	if !ok || created.ID != list(t, w)[1].ID || last.Actor.Application != "a_admin" ||
		last.Correlation == "" || last.Correlation != w.Header().Get("X-Request-Id") {
		t.Errorf("last event: %+v, correlation %q", last, w.Header().Get("X-Request-Id"))
	}
}
