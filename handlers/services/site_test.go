package services_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
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
	"github.com/grantlog/grantlog/handlers/services"
	"github.com/grantlog/grantlog/projections"
)

var (
	hash  = credential.NewHasher([]byte("a key of a test")).Digest
	quiet = slog.New(slog.DiscardHandler)
)

// replica is one server on a log, with the endpoints and nothing else.
type replica struct {
	*emittest.Replica
	t   *testing.T
	url string
}

// newReplica starts a server on a log that two organizations share, each with
// a manager of its services.
func newReplica(t *testing.T, env *journaltest.Env) *replica {
	t.Helper()
	r := &replica{Replica: emittest.New(t, env, emittest.Config{}), t: t}
	j, f := r.Journal, r.Follower
	managers := func(organization string) bootstrap.Organization {
		return bootstrap.Organization{ID: organization, Name: organization, Applications: []bootstrap.Application{
			{Name: "Manager", ClientID: "app_" + organization, Secret: "a secret", Scopes: []string{"services:write"}},
		}}
	}
	if err := bootstrap.Seed(t.Context(), bootstrap.Config{Emit: r.Emitter, Hash: hash, Log: quiet}, []bootstrap.Organization{managers("acme"), managers("globex")}); err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.HTTPErrorHandler = oauth.ErrorHandler(quiet)
	endpoint := &services.Endpoint{
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
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// manager returns a bearer token of an organization's manager. The string is
// recorded as the token endpoint records it; nobody checks the signature of a
// token that the log shows.
func (r *replica) manager(organization string) string {
	r.t.Helper()
	id := events.NewTokenID()
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"jti":"`+id.String()+`"}`)) + ".c2lnbmF0dXJl"
	_, err := r.Do(r.t.Context(), emit.Meta{}, func(s *projections.State, now time.Time) (command.Decision, error) {
		digest := hash("a secret")
		client, err := command.AuthenticateClient(s, now, "app_"+organization, &digest)
		if err != nil {
			return command.Decision{}, err
		}
		grant, err := command.ClientCredentials(now, client, "")
		if err != nil {
			return command.Decision{}, err
		}
		return command.RecordToken(grant, "client_credentials", id, authn.Digest(token), "key")
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// do sends JSON, with headers as names and values in turn, and returns the status and the object that is answered.
func (r *replica) do(token, method, path string, body any, header ...string) (status int, answer map[string]any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		r.t.Error(err)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(string(encoded)))
	if err != nil {
		r.t.Error(err)
		return 0, nil
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Error(err)
		return 0, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Error(err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			r.t.Errorf("%v in %s", err, text)
		}
	}
	return response.StatusCode, answer
}
