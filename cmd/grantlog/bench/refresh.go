package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// refreshMargin is how long before its expiry a token falls due, at most.
	refreshMargin = 135 * time.Second
	// storing is the time that is given to a login at least, all connections
	// together, and storingAll to all of them: then the first token falls due.
	storing    = 8 * time.Millisecond
	storingAll = 2 * time.Second
	// dueWithin is the time in which the tokens fall due, if they are many.
	dueWithin = time.Minute
	dueEach   = 10 * time.Millisecond // if they are few
)

const refreshSeed = `organizations:
  - id: bench
    providers: [{name: f4w, tokenUrl: "http://PROVIDER/oauth/token", clientId: bench, clientSecret: SECRET}]
    applications:
      - {name: Bench, scopes: ["authentications:write", "authentications:read"], clientId: app_bench, clientSecret: SECRET}
`

// keepFresh: third-party tokens that fall due within a minute, three replicas
// that refresh them, and a provider that counts. Each is to be refreshed once,
// before it expires.
func keepFresh(ctx context.Context, r *run) (result, error) {
	p, err := startProvider(r.Authentications)
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	seed := filepath.Join(r.dir, "refresh.yaml")
	text := strings.NewReplacer("PROVIDER", p.address, "SECRET", guardedSecret).Replace(refreshSeed)
	if err := os.WriteFile(seed, []byte(text), 0o600); err != nil {
		return result{}, err
	}
	m, err := r.serveCluster(ctx, func() ([]string, error) { return []string{"--seed", seed}, nil })
	if err != nil {
		return result{}, err
	}
	defer m.stop()
	p.first = time.Now().Add(time.Duration(r.Authentications)*storing + storingAll)
	r.progress("refresh: storing %d tokens that fall due %v from now", r.Authentications, time.Until(p.first).Round(time.Second))
	if err := r.store(ctx, m); err != nil {
		return result{}, err
	}
	if late := time.Since(p.first); late > 0 {
		r.progress("refresh: the first token fell due %v before the last one was stored", late)
	}
	return p.watch(ctx, r)
}

// store logs in at the provider, once for each authentication.
func (r *run) store(ctx context.Context, m *members) error {
	token, err := m.all[0].token(ctx, credentials{ID: "app_bench", Secret: guardedSecret})
	if err != nil {
		return err
	}
	l := r.newLoad()
	defer l.close()
	l.requests, l.duration = r.Authentications, mintTimeout
	stored, err := l.spread(ctx, m.processes(), call{
		path:   "/api/v1/authentications",
		header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}},
		body:   func(i int) string { return fmt.Sprintf(`{"provider":"f4w","username":"%d","password":"x"}`, i) },
		accept: contains(`"active":true`),
	})
	if err == nil && stored.failed > 0 {
		err = fmt.Errorf("%d of %d logins failed: %v", stored.failed, r.Authentications, stored.errors)
	}
	return err
}

// provider gives tokens that expire in the order of their user names, and
// notes what is presented to it.
type provider struct {
	address string
	server  *http.Server
	served  chan struct{}
	first   time.Time // the first token falls due; set before anybody logs in
	each    time.Duration

	mu        sync.Mutex
	presented []int           // how often, by user
	left      []time.Duration // of the token's life when it was refreshed, by user
	last      time.Time       // the last first refresh
	more      chan struct{}   // holds a value after a refresh
}

func startProvider(users int) (*provider, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &provider{
		address: l.Addr().String(), served: make(chan struct{}), each: min(dueWithin/time.Duration(users), dueEach),
		presented: make([]int, users), left: make([]time.Duration, users), more: make(chan struct{}, 1),
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: patience}
	go func() {
		defer close(p.served)
		p.server.Serve(l)
	}()
	return p, nil
}

func (p *provider) stop() {
	p.server.Close()
	<-p.served
}

// expires is the end of a user's first token.
func (p *provider) expires(user int) time.Time {
	return p.first.Add(time.Duration(user)*p.each + refreshMargin)
}

// ServeHTTP is the token endpoint. A refresh token is the user's name.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, life := r.PostFormValue("username"), time.Hour
	refreshed := r.PostFormValue("grant_type") == "refresh_token"
	if refreshed {
		name = r.PostFormValue("refresh_token")
	}
	user, err := strconv.Atoi(name)
	if err != nil || user < 0 || user >= len(p.presented) {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	if refreshed {
		p.note(user)
	} else {
		life = time.Until(p.expires(user))
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": "a" + name, "refresh_token": name, "expires_in": int(life.Seconds())})
}

func (p *provider) note(user int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.presented[user]++; p.presented[user] == 1 {
		p.last = time.Now()
		p.left[user] = p.expires(user).Sub(p.last)
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// watch waits until every token was refreshed, or the last one has expired.
func (p *provider) watch(ctx context.Context, r *run) (result, error) {
	ctx, cancel := context.WithDeadline(ctx, p.expires(len(p.presented)))
	defer cancel()
	p.await(ctx, r)
	if err := context.Cause(ctx); err != nil && ctx.Err() != context.DeadlineExceeded {
		return result{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	missed, twice := 0, 0
	for user, times := range p.presented {
		switch {
		case times == 0 || p.left[user] < 0:
			missed++
		case times > 1:
			twice++
		}
	}
	if missed+twice > 0 {
		return result{}, fmt.Errorf("%d of %d tokens expired before they were refreshed, %d were refreshed twice", missed, len(p.presented), twice)
	}
	return result{Figures: []figure{
		{"tokens, each refreshed once and in time", float64(len(p.presented)), ""},
		{"from the first one due to the last one refreshed", p.last.Sub(p.first).Seconds(), "s"},
		{"in which they fell due", (time.Duration(len(p.presented)) * p.each).Seconds(), "s"},
		{"least that was left of a token's life", slices.Min(p.left).Seconds(), "s"},
	}}, nil
}

// await returns when every token was refreshed, or ctx ends.
func (p *provider) await(ctx context.Context, r *run) {
	for told := 0; ; {
		p.mu.Lock()
		done := len(p.presented)
		for _, times := range p.presented {
			if times == 0 {
				done--
			}
		}
		p.mu.Unlock()
		if done*10/len(p.presented) > told {
			told = done * 10 / len(p.presented)
			r.progress("refresh: %d of %d", done, len(p.presented))
		}
		if done == len(p.presented) {
			return
		}
		select {
		case <-p.more:
		case <-ctx.Done():
			return
		}
	}
}
