package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// thirdParty is a provider of tokens as others run them: logins by password,
// refresh tokens that rotate, revocation, and all the ways to fail.
type thirdParty struct {
	*httptest.Server
	mu       sync.Mutex
	mode     string // empty: it works
	lifetime int
	serial   int
	current  map[string]bool // refresh tokens in force
	used     []string        // refresh tokens that were presented
	revoked  []string
	ends     chan struct{}
}

const (
	providerUser, providerPassword, providerSecret = "real_user", "canary-provider-password", "canary-provider-secret"
)

func newThirdParty(t *testing.T) *thirdParty {
	p := &thirdParty{lifetime: 3600, current: map[string]bool{}, ends: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", p.token)
	mux.HandleFunc("POST /oauth/revoke", p.revoke)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(func() { close(p.ends); p.Close() })
	return p
}

func (p *thirdParty) set(mode string, lifetime int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode, p.lifetime = mode, lifetime
}

// presented lists the refresh tokens that were presented so far.
func (p *thirdParty) presented() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.used...)
}

func (p *thirdParty) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	mode := p.mode
	p.mu.Unlock()
	switch mode {
	case "hang":
		select {
		case <-p.ends:
		case <-r.Context().Done():
		}
		return
	case "redirect":
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		return
	case "down":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case "not JSON":
		fmt.Fprint(w, "<html>")
		return
	case "no token":
		fmt.Fprint(w, "{}")
		return
	case "endless":
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id, secret, ok := r.BasicAuth(); !ok || id != "scheduler" || secret != providerSecret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.PostFormValue("grant_type") {
	case "password":
		if r.PostFormValue("username") != providerUser || r.PostFormValue("password") != providerPassword {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	case "refresh_token":
		old := r.PostFormValue("refresh_token")
		p.used = append(p.used, old)
		if !p.current[old] || p.mode == "refuse" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		delete(p.current, old)
	default:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.serial++
	refresh := fmt.Sprintf("canary-refresh-%d", p.serial)
	p.current[refresh] = true
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"canary-access-%d","refresh_token":%q,"token_type":"Bearer","expires_in":%d}`, p.serial, refresh, p.lifetime)
}

func (p *thirdParty) revoke(_ http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked = append(p.revoked, r.PostFormValue("token"))
}

// stored is the resource of seed 002.
type stored struct {
	ID           string `json:"id"`
	Provider     string `json:"provider"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresAt    int64  `json:"expires_at"`
	Active       bool   `json:"active"`
}

func startWithProvider(t *testing.T, p *thirdParty) *server {
	t.Helper()
	seed := `
organizations:
  - id: acme
    name: Acme
    scopes: [{name: "read:things", routes: ["GET /things/*"]}]
    providers:
      - {name: f4w, tokenUrl: "` + p.URL + `/oauth/token", revokeUrl: "` + p.URL + `/oauth/revoke", clientId: scheduler, clientSecretEnv: F4W_SECRET}
    applications:
      - {name: Scheduler, clientId: app_scheduler, clientSecretEnv: MANAGER_SECRET, scopes: ["authentications:read", "authentications:write"]}
      - {name: Reader, clientId: app_reader, clientSecretEnv: MANAGER_SECRET, scopes: ["authentications:read"]}
  - id: globex
    name: Globex
    applications:
      - {name: Other, clientId: app_globex, clientSecretEnv: MANAGER_SECRET, scopes: ["authentications:read", "authentications:write"]}
`
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", seed), "--log-level", "debug")
	s.env = []string{"MANAGER_SECRET=" + managerSecret, "F4W_SECRET=" + providerSecret}
	s.start()
	return s
}

var realLogin = map[string]any{"provider": "f4w", "username": providerUser, "password": providerPassword}

const authenticationsPath = "/api/v1/authentications"

// Seed 002: the documented requests give the documented answers.
func TestAuthentications(t *testing.T) {
	t.Parallel()
	p := newThirdParty(t)
	s := startWithProvider(t, p)
	token := s.tenant("scheduler")
	s.get(authenticationsPath, bearer(token)).exactly(http.StatusOK, "[]")

	made := as[stored](s.json(http.MethodPost, authenticationsPath, realLogin, bearer(token)).want(http.StatusCreated))
	if made.Provider != "f4w" || made.AccessToken != "canary-access-1" || made.RefreshToken != "canary-refresh-1" || !made.Active ||
		time.Until(time.Unix(made.ExpiresAt, 0)) < 50*time.Minute {
		t.Errorf("created %+v", made)
	}
	// The caller's token may stand in the query, here and nowhere else.
	if list := as[[]stored](s.get(authenticationsPath + "?access_token=" + token).ok()); len(list) != 1 || list[0] != made {
		t.Errorf("listed %+v, created %+v", list, made)
	}
	s.get("/oauth/applications?access_token=" + token).want(http.StatusUnauthorized)
	s.get(authenticationsPath+"?access_token="+token, bearer(token)).want(http.StatusBadRequest)
	if got := as[stored](s.get(authenticationsPath+"/"+made.ID, bearer(s.tenant("reader"))).ok()); got != made {
		t.Errorf("got %+v, created %+v", got, made)
	}
	s.restart()
	token = s.tenant("scheduler")
	if got := as[stored](s.get(authenticationsPath+"/"+made.ID, bearer(token)).ok()); got != made {
		t.Errorf("after a restart %+v, created %+v", got, made)
	}

	// Another organization does not see it; a reader may not write.
	other := s.tenant("globex")
	s.get(authenticationsPath, bearer(other)).exactly(http.StatusOK, "[]")
	s.get(authenticationsPath+"/"+made.ID, bearer(other)).want(http.StatusNotFound)
	s.json(http.MethodDelete, authenticationsPath+"/"+made.ID, nil, bearer(other)).want(http.StatusNotFound)
	s.json(http.MethodDelete, authenticationsPath+"/"+made.ID, nil, bearer(s.tenant("reader"))).want(http.StatusForbidden)

	s.json(http.MethodDelete, authenticationsPath+"/"+made.ID, nil, bearer(token)).exactly(http.StatusOK, "")
	s.get(authenticationsPath+"/"+made.ID, bearer(token)).want(http.StatusNotFound)
	s.json(http.MethodDelete, authenticationsPath+"/"+made.ID, nil, bearer(token)).want(http.StatusNotFound)
	if len(p.revoked) != 1 || p.revoked[0] != "canary-refresh-1" {
		t.Errorf("revoked at the provider: %v", p.revoked)
	}

	// The seed's sample of DELETE has the path of one.
	made = as[stored](s.json(http.MethodPost, authenticationsPath, realLogin, bearer(token)).want(http.StatusCreated))
	sample := strings.TrimSuffix(authenticationsPath, "s") + "/" + made.ID
	s.json(http.MethodDelete, sample, nil).want(http.StatusUnauthorized)
	s.json(http.MethodDelete, sample, nil, bearer(s.tenant("reader"))).want(http.StatusForbidden)
	s.get(sample, bearer(token), undescribed).want(http.StatusNotFound)
	s.json(http.MethodDelete, sample+"/x", nil, bearer(token), undescribed).want(http.StatusNotFound)
	s.json(http.MethodDelete, sample+"?access_token="+token, nil).exactly(http.StatusOK, "")
	s.get(authenticationsPath+"/"+made.ID, bearer(token)).want(http.StatusNotFound)
}

// Section 5: what the seed leaves open.
func TestAuthenticationsRefused(t *testing.T) {
	t.Parallel()
	p := newThirdParty(t)
	s := startWithProvider(t, p)
	token := s.tenant("scheduler")
	post := func(in map[string]any) answer { return s.json(http.MethodPost, authenticationsPath, in, bearer(token)) }
	post(map[string]any{"provider": "f4w", "username": "x"}).want(http.StatusBadRequest)
	post(map[string]any{"provider": "f4w", "username": "x", "password": "y", "more": 1}).want(http.StatusBadRequest)
	post(map[string]any{"provider": "none", "username": "x", "password": "y"}).want(http.StatusUnprocessableEntity)
	post(map[string]any{"provider": "f4w", "username": "x", "password": "y"}).want(http.StatusUnprocessableEntity)
	s.get(authenticationsPath).want(http.StatusUnauthorized)
	for _, mode := range []string{"redirect", "down", "not JSON", "no token", "endless", "hang"} {
		p.set(mode, 3600)
		post(realLogin).want(http.StatusBadGateway)
	}
	s.get(authenticationsPath, bearer(token)).exactly(http.StatusOK, "[]")
}

// Section 5: tokens are refreshed before they expire, once each; a refusal
// makes them inactive; an outage does not.
func TestAuthenticationsAreRefreshed(t *testing.T) {
	t.Parallel()
	p := newThirdParty(t)
	s := startWithProvider(t, p)
	token := s.tenant("scheduler")
	read := func(id string) stored { return as[stored](s.get(authenticationsPath+"/"+id, bearer(token)).ok()) }

	p.set("", 30) // due at once
	made := as[stored](s.json(http.MethodPost, authenticationsPath, realLogin, bearer(token)).want(http.StatusCreated))
	p.set("", 3600)
	s.eventually("the tokens are refreshed", func() bool { return read(made.ID).ExpiresAt > made.ExpiresAt+600 })
	got := read(made.ID)
	if got.AccessToken == made.AccessToken || got.RefreshToken == made.RefreshToken || !got.Active {
		t.Errorf("refreshed to %+v", got)
	}
	seen := map[string]bool{}
	for _, used := range p.presented() {
		if seen[used] {
			t.Errorf("%s was presented twice", used)
		}
		seen[used] = true
	}

	p.set("down", 30)
	p.set("", 30)
	doomed := as[stored](s.json(http.MethodPost, authenticationsPath, realLogin, bearer(token)).want(http.StatusCreated))
	p.set("refuse", 30)
	s.eventually("a refusal makes it inactive", func() bool { return !read(doomed.ID).Active })
}

// G11: nothing of a login or of what it gave is in clear outside of answers.
func TestThirdPartySecretsAppearNowhere(t *testing.T) {
	t.Parallel()
	p := newThirdParty(t)
	s := startWithProvider(t, p)
	made := as[stored](s.json(http.MethodPost, authenticationsPath, realLogin, bearer(s.tenant("scheduler"))).want(http.StatusCreated))
	s.json(http.MethodPost, authenticationsPath, map[string]any{"provider": "f4w", "username": providerUser, "password": "canary-wrong"}, bearer(s.tenant("scheduler"))).want(http.StatusUnprocessableEntity)
	s.stop()
	err := filepath.WalkDir(s.data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "canary-") || strings.Contains(string(text), made.AccessToken) {
			t.Errorf("%s holds a secret", d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s.out.String(), "canary-") {
		t.Error("the server's log holds a secret")
	}
}

// Section 5: providers are managed, and their secrets never shown.
func TestProviders(t *testing.T) {
	t.Parallel()
	p := newThirdParty(t)
	s := startWithProvider(t, p)
	token := s.tenant("scheduler")
	if body := string(s.get("/oauth/providers", bearer(token)).ok().body); !strings.Contains(body, `"f4w"`) || strings.Contains(body, "canary") {
		t.Errorf("providers: %s", body)
	}
	s.get("/oauth/providers/f4w", bearer(s.tenant("globex"))).want(http.StatusNotFound)
	settings := map[string]any{"tokenUrl": p.URL + "/oauth/token", "clientId": "scheduler", "clientSecret": providerSecret}
	s.json(http.MethodPut, "/oauth/providers/own", settings, bearer(token)).ok()
	// One that was set through the API may not be on a private address.
	s.json(http.MethodPost, authenticationsPath, map[string]any{"provider": "own", "username": providerUser, "password": providerPassword}, bearer(token)).want(http.StatusBadGateway)
	for _, url := range []string{"", "ftp://a", "http://u:p@a", "//a", "http://a/#f", "http://${f4w_access_token}"} {
		s.json(http.MethodPut, "/oauth/providers/own", map[string]any{"tokenUrl": url}, bearer(token)).want(http.StatusBadRequest)
	}
	s.json(http.MethodPut, "/oauth/providers/a.b", settings, bearer(token)).want(http.StatusBadRequest)
	s.json(http.MethodDelete, "/oauth/providers/own", nil, bearer(token)).want(http.StatusNoContent)
	s.json(http.MethodDelete, "/oauth/providers/own", nil, bearer(token)).want(http.StatusNotFound)
}
