package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantlog/grantlog/handlers/password"
)

const (
	partner = "bench"
	// introspections a second, whether logins come or not: an open loop, so
	// that a slow answer does not slow the requests after it down.
	introspections = 200
	// loginsPerCore are in flight at once.
	loginsPerCore = 4
)

// logIn: the rate of password grants beside that of argon2id on all cores of
// this process, and what a flood of them does to introspection.
func logIn(ctx context.Context, r *run) (result, error) {
	s, err := r.serve(ctx)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	grant, err := s.passwordClient(ctx)
	if err != nil {
		return result{}, err
	}
	client, err := s.application(ctx, "Benchmark")
	if err != nil {
		return result{}, err
	}
	l := r.newLoad()
	defer l.close()
	tokens, err := l.mint(ctx, s, client, min(r.Tokens, 1000))
	if err != nil {
		return result{}, err
	}
	introspect := call{
		path: "/oauth/introspect", header: client.form(),
		body:   func(i int) string { return tokenParameter(tokens[i%len(tokens)]) },
		accept: contains(`{"active":true,`),
	}
	var alone, beside, logins []phase
	var hashes, ratios []float64
	for round := range r.Rounds + 1 {
		rate, err := r.hashes(ctx)
		if err != nil {
			return result{}, err
		}
		calm, err := l.pace(ctx, s.process, introspect)
		if err != nil {
			return result{}, err
		}
		flood, busy, err := l.flood(ctx, s.process, grant, introspect)
		if err != nil {
			return result{}, err
		}
		for _, p := range []phase{calm, flood, busy} {
			if p.failed > 0 {
				return result{}, fmt.Errorf("%d requests failed: %v", p.failed, p.errors)
			}
		}
		if round > 0 {
			alone, beside, logins = append(alone, calm), append(beside, busy), append(logins, flood)
			hashes, ratios = append(hashes, rate), append(ratios, flood.rate()/rate)
			r.progress("login: round %d of %d: %.1f logins/s, introspection p99 %.2f ms, without them %.2f ms", round, r.Rounds,
				flood.rate(), milliseconds(busy.percentile(99)), milliseconds(calm.percentile(99)))
		}
	}
	itself := func(v *float64) float64 { return *v }
	return result{Figures: []figure{
		{"argon2id on all cores", median(hashes, itself), "/s"},
		{"password grants", median(logins, (*phase).rate), "/s"},
		{"of the rate of argon2id", median(ratios, itself), "×"},
		{"a password grant, p50", percentiles(logins, 50), "ms"},
		{"introspection without logins, p50", percentiles(alone, 50), "ms"},
		{"introspection without logins, p99", percentiles(alone, 99), "ms"},
		{"introspection in a flood of logins, p50", percentiles(beside, 50), "ms"},
		{"introspection in a flood of logins, p99", percentiles(beside, 99), "ms"},
		{"p99 in the flood to without", percentiles(beside, 99) / percentiles(alone, 99), "×"},
	}}, nil
}

func percentiles(phases []phase, percent int) float64 {
	return median(phases, func(p *phase) float64 { return milliseconds(p.percentile(percent)) })
}

// hashes measures argon2id itself: as many computations at once as there are
// cores, nothing else.
func (r *run) hashes(ctx context.Context) (perSecond float64, err error) {
	h := password.New(password.Config{})
	var done atomic.Int64
	var failure atomic.Pointer[error]
	var wg sync.WaitGroup
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for time.Since(began) < r.Duration && failure.Load() == nil {
				if _, err := h.Hash(ctx, "correct horse battery"); err != nil {
					failure.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if f := failure.Load(); f != nil {
		return 0, *f
	}
	return float64(done.Load()) / time.Since(began).Seconds(), nil
}

// passwordClient makes a partner with users and a client, and returns its
// logins.
func (s *server) passwordClient(ctx context.Context) (c call, err error) {
	token, err := s.token(ctx, s.admin)
	if err != nil {
		return c, err
	}
	post := func(path string, body, into any) error {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		answer, err := request{
			method: http.MethodPost, path: path, body: string(text),
			header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}},
		}.send(ctx, s.process)
		if err != nil {
			return err
		}
		return json.Unmarshal(answer, into)
	}
	var ignored map[string]any
	if err := post("/oauth/organizations", map[string]any{"id": partner, "name": partner, "partnerId": partner}, &ignored); err != nil {
		return c, err
	}
	var app credentials
	settings := map[string]any{"name": "Benchmark", "scopes": []string{scope}, "grantTypes": []string{"password"}, "public": true}
	if err := post("/oauth/applications?organization="+partner, settings, &app); err != nil {
		return c, err
	}
	forms := make([]string, runtime.NumCPU())
	for i := range forms {
		email, plain := fmt.Sprintf("agent%d@example.com", i), "correct horse battery"
		if err := post("/oauth/users?organization="+partner, map[string]any{"email": email, "password": plain}, &ignored); err != nil {
			return c, err
		}
		forms[i] = url.Values{
			"grant_type": {"password"}, "client_id": {app.ID}, "email": {email}, "password": {plain},
		}.Encode()
	}
	return call{
		path: "/oauth/token", query: "partnerId=" + partner, header: http.Header{"Content-Type": {formType}},
		body:   func(i int) string { return forms[i%len(forms)] },
		accept: contains(`{"access_token":"ey`),
	}, nil
}

// flood logs in from several connections, each as soon as it is answered, for
// as long as introspections come at their pace.
func (l *load) flood(ctx context.Context, p *process, grant, introspect call) (logins, introspected phase, err error) {
	flooding := *l
	flooding.connections, flooding.requests = loginsPerCore*runtime.NumCPU(), 1<<30
	done := make(chan error, 1)
	go func() {
		var err error
		logins, err = flooding.drive(ctx, p, grant)
		done <- err
	}()
	introspected, err = l.pace(ctx, p, introspect)
	if failed := <-done; err == nil {
		err = failed
	}
	return logins, introspected, err
}

// pace sends the call at a fixed rate for the load's time, whether answers come
// or not. A latency counts from the moment that the request was due.
func (l *load) pace(ctx context.Context, p *process, c call) (phase, error) {
	bounded, cancel := context.WithTimeout(ctx, l.duration+patience)
	defer cancel()
	idle := make(chan *worker, l.connections)
	for range l.connections {
		idle <- newWorker(l, p, c)
	}
	tick := time.NewTicker(time.Second / introspections)
	defer tick.Stop()
	began := time.Now()
	var seen phase
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n := 0; time.Since(began) < l.duration && bounded.Err() == nil; n++ {
		due := <-tick.C
		wg.Go(func() {
			w := <-idle
			defer func() { idle <- w }()
			err := w.roundTrip(bounded, n)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				seen.latencies = append(seen.latencies, took)
				return
			}
			if seen.failed++; len(seen.errors) < maxErrors {
				seen.errors = append(seen.errors, err.Error())
			}
		})
	}
	wg.Wait()
	seen.elapsed = time.Since(began)
	slices.Sort(seen.latencies)
	return seen, ctx.Err()
}
