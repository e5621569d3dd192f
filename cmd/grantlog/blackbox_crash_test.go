package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// acknowledged is what a client was told before the server died.
type acknowledged struct {
	mu      sync.Mutex
	apps    []application
	live    []string
	revoked []string
}

// SECURITY.md G1, G4: after kill -9 under load every token that was handed out
// is live, every revocation that was acknowledged holds, every application that
// was created is there, three times over on the same log.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	told := &acknowledged{}
	for round := range 3 {
		var enough atomic.Bool
		var workers sync.WaitGroup
		for n := range 8 {
			workers.Go(func() { s.load(app, told, n, &enough) })
		}
		s.eventually("there was enough load", func() bool {
			told.mu.Lock()
			defer told.mu.Unlock()
			return len(told.live) >= 300*(round+1) && len(told.apps) >= 10*(round+1)
		})
		s.kill()
		enough.Store(true)
		workers.Wait()
		s.start()
	}
	t.Logf("acknowledged: %d tokens, %d revocations, %d applications", len(told.live), len(told.revoked), len(told.apps))
	s.live(app, told.live...)
	s.dead(app, told.revoked...)
	admin := s.admin()
	listed := map[string]bool{}
	for _, a := range s.list(admin, "limit=200") {
		listed[a.ID] = true
	}
	for _, a := range told.apps {
		if !listed[a.ID] {
			t.Errorf("application %s was created and is gone", a.ID)
		}
		s.live(app, s.token(a))
	}
	s.stop()
	if r := run(t, nil, "verify", "--data", s.data); r.code != 0 {
		t.Errorf("verify: %d\n%s", r.code, r.stderr)
	}
}

// load asks until the server is gone, and notes what was acknowledged in full.
func (s *server) load(app application, told *acknowledged, worker int, enough *atomic.Bool) {
	client := &http.Client{Transport: s.base, Timeout: patience}
	credentials := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.ClientID}, "client_secret": {app.ClientSecret}}
	ask := func(path, contentType, body, bearer string, want int, into any) bool {
		r, err := http.NewRequest(http.MethodPost, s.issuer()+path, strings.NewReader(body))
		if err != nil {
			return false
		}
		r.Header.Set("Content-Type", contentType)
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		resp, err := client.Do(r)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == want && (into == nil || json.Unmarshal(answer, into) == nil)
	}
	var admin tokenResponse
	administrator := s.administrator()
	if !ask("/oauth/token", formType, url.Values{"grant_type": {"client_credentials"}, "client_id": {administrator.ClientID}, "client_secret": {administrator.ClientSecret}}.Encode(), "", 200, &admin) {
		return
	}
	for i := 0; !enough.Load(); i++ {
		var token tokenResponse
		if !ask("/oauth/token", formType, credentials.Encode(), "", 200, &token) {
			return
		}
		revoke := i%5 == 4
		if revoke {
			credentials := url.Values{"token": {token.AccessToken}, "client_id": {app.ClientID}, "client_secret": {app.ClientSecret}}
			if !ask("/oauth/revoke", formType, credentials.Encode(), "", 200, nil) {
				return
			}
		}
		var made application
		created := i%10 == 0 && ask("/oauth/applications", "application/json", fmt.Sprintf(`{"name":"%d/%d","scopes":["read"]}`, worker, i), admin.AccessToken, 201, &made)
		told.mu.Lock()
		if revoke {
			told.revoked = append(told.revoked, token.AccessToken)
		} else {
			told.live = append(told.live, token.AccessToken)
		}
		if created {
			told.apps = append(told.apps, made)
		}
		told.mu.Unlock()
	}
}
