package applications_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/applications"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/bootstrap"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// hash is the digest of secrets that all replicas share.
var hash = credential.NewHasher([]byte("a key of a test")).Digest

// log is a log with one administrator.
type log struct {
	*journaltest.Env
	t       *testing.T
	journal func(*journal.Config) // changes those of its replicas; nil: nothing
}

// replica is one server on a log, with the endpoints and nothing else.
type replica struct {
	*emittest.Replica
	t   *testing.T
	url string
}

// newSite starts a server with one administrator.
func newSite(t *testing.T) *replica {
	t.Helper()
	return newLog(t).replica()
}

func newLog(t *testing.T) log { return log{Env: journaltest.New(t), t: t} }

func (l log) replica() *replica {
	l.t.Helper()
	r := &replica{t: l.t, Replica: emittest.New(l.t, l.Env, emittest.Config{Journal: l.journal})}
	j, f := r.Journal, r.Follower
	quiet := slog.New(slog.DiscardHandler)
	err := bootstrap.Admin(l.t.Context(), bootstrap.Config{Emit: r.Emitter, Hash: hash, Log: quiet}, filepath.Join(l.t.TempDir(), "admin.json"))
	if err != nil {
		l.t.Fatal(err)
	}
	e := echo.New()
	e.HTTPErrorHandler = oauth.ErrorHandler(quiet, journal.ErrUnavailable, journal.ErrUncertain, follow.ErrStale, follow.ErrNotReady)
	endpoint := &applications.Endpoint{
		AsOf: asof.New(asof.Config{Log: j, History: f.History(), View: f.View, Now: time.Now}),
		Emit: r.Emitter, Hash: hash, Cursors: page.New([]byte("another key of a test")),
		Repeats: manage.NewRepeats([]byte("a third key of a test"), r.Emitter),
		Authn: authn.New(authn.Config{
			View: r.View, CatchUp: r.CatchUp, Hash: hash, Now: time.Now,
			Verify: func(string) ([]byte, error) { return nil, errors.New("only tokens of the log count here") },
		}),
	}
	endpoint.Mount(e.Group("", consistency.Middleware(f)))
	server := httptest.NewServer(e)
	l.t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// administrator returns a bearer token with every management scope.
func (r *replica) administrator() string {
	r.t.Helper()
	return r.token(r.seeded("default", "Administrator"))
}

// seeded finds an application by its name.
func (r *replica) seeded(organization, name string) (id string) {
	r.t.Helper()
	r.View(func(s *projections.State) {
		for _, app := range s.Applications.After(organization, 0, 0) {
			if app.Name == name {
				id = app.ID
			}
		}
	})
	if id == "" {
		r.t.Fatalf("no application %q in %s", name, organization)
	}
	return id
}

// token returns a bearer token of an application, with the given scopes or all
// it has. The string is recorded as the token endpoint records it; only its
// signature is none, which nobody checks of a token that the log shows.
func (r *replica) token(application string, scopes ...string) string {
	r.t.Helper()
	id := events.NewTokenID()
	text := strings.Join([]string{
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt"}`)),
		base64.RawURLEncoding.EncodeToString([]byte(`{"jti":"` + id.String() + `"}`)), "c2lnbmF0dXJl",
	}, ".")
	_, err := r.Do(r.t.Context(), emit.Meta{}, func(s *projections.State, now time.Time) (command.Decision, error) {
		app, ok := s.Applications.Get(application)
		if !ok {
			return command.Decision{}, command.ErrNotFound
		}
		current, _ := app.Current()
		scope := strings.Join(scopes, " ")
		if scopes == nil {
			scope = strings.Join(app.Scopes, " ")
		}
		return command.RecordToken(command.Grant{
			Client: command.Client{Application: app, Secret: current.Version}, Scope: scope,
			IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		}, "client_credentials", id, authn.Digest(text), "key")
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// tenant adds an organization and an application of it with management scopes,
// and returns that one's token.
func (r *replica) tenant(id string, scopes ...string) string {
	r.t.Helper()
	err := bootstrap.Seed(r.t.Context(), bootstrap.Config{Emit: r.Emitter, Hash: hash, Log: slog.New(slog.DiscardHandler)},
		[]bootstrap.Organization{{ID: id, Name: id, Applications: []bootstrap.Application{
			{Name: "Manager", Secret: "the secret of " + id, Scopes: scopes},
		}}})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.token(r.seeded(id, "Manager"))
}

// answer is a response, read to its end.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request; body is nil, a string to be sent as it is, or a value to
// be sent as JSON. header holds names and values in turn.
func (r *replica) do(token, method, path string, body any, header ...string) answer {
	r.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, content)
	if err != nil {
		r.t.Fatal(err)
	}
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{r.t, method + " " + path, response.StatusCode, response.Header, text}
}

// is expects a status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d %s, want %d", a.what, a.status, a.body, status)
	}
	if wrote := a.header.Get(consistency.Header) != ""; wrote && status >= 300 {
		a.t.Errorf("%s: a refusal with a Consistency-Token", a.what)
	}
	return a
}

// object is a JSON object as a client without a schema sees it.
type object map[string]any

func (a answer) object() (o object) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, &o); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	return o
}

func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// time is a moment, as no text can be compared: zeros at its end are left out.
func (o object) time(name string) time.Time {
	at, _ := time.Parse(time.RFC3339, o.text(name))
	return at
}

// names lists a member of the objects of a list, in order.
func (o object) each(list, member string) []string {
	all, _ := o[list].([]any)
	values := []string{}
	for _, one := range all {
		value, _ := one.(map[string]any)[member].(string)
		values = append(values, value)
	}
	return values
}
