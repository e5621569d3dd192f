package bench

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// maxRevocations are timed one after the other.
	maxRevocations = 1000
	// maxTokenReads are reads that carry a Consistency-Token.
	maxTokenReads = 10_000
	// tokenReaders are connections of their own for them.
	tokenReaders = 8
)

// acrossReplicas: what three replicas add, on the machine of one. How long after
// its acknowledgement a revocation is refused elsewhere and heard by listeners;
// whether a read that carries the Consistency-Token ever misses the write; and
// issuance through all three of them against a single server.
func acrossReplicas(ctx context.Context, r *run) (result, error) {
	var listens []string
	m, err := r.serveCluster(ctx, func() ([]string, error) {
		address, err := freeAddress()
		listens = append(listens, address)
		return []string{"--nats-listen", address}, err
	})
	if err != nil {
		return result{}, err
	}
	defer m.stop()
	client, err := m.application(ctx)
	if err != nil {
		return result{}, err
	}
	load, err := r.issueThroughAll(ctx, m, client)
	if err != nil {
		return result{}, err
	}
	figures, err := r.timeRevocations(ctx, m, client, listens[memberCount-1])
	if err != nil {
		return result{}, err
	}
	reads, err := r.readOwnWrites(ctx, m, client)
	return result{Load: load, Figures: append(figures, reads...)}, err
}

// application registers a client and waits until every member knows it.
func (m *members) application(ctx context.Context) (c credentials, err error) {
	if c, err = m.all[0].application(ctx, "Benchmark"); err != nil {
		return c, err
	}
	for _, s := range m.all {
		err := s.poll(ctx, func(ctx context.Context) error {
			_, err := s.token(ctx, c)
			return err
		})
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// issueThroughAll compares with a single server what the cluster issues when
// its members share the connections, as behind a load balancer.
func (r *run) issueThroughAll(ctx context.Context, m *members, client credentials) (*comparison, error) {
	single, err := r.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer single.stop()
	alone, err := single.application(ctx, "Benchmark")
	if err != nil {
		return nil, err
	}
	l := r.newLoad()
	defer l.close()
	issue := func(c credentials) call {
		return call{
			path: "/oauth/token", header: c.form(), body: func(int) string { return tokenForm }, accept: contains(`{"access_token":"ey`),
		}
	}
	both := &comparison{}
	for round := range r.Rounds + 1 {
		base, err := l.drive(ctx, single.process, issue(alone))
		if err != nil {
			return nil, err
		}
		if base.failed > 0 {
			return nil, fmt.Errorf("the single server failed %d requests: %v", base.failed, base.errors)
		}
		own, err := l.spread(ctx, m.processes(), issue(client))
		if err != nil {
			return nil, err
		}
		both.add(base, own, round > 0)
		if round > 0 {
			r.progress("replicas: round %d of %d: %.0f req/s, a single server %.0f", round, r.Rounds, own.rate(), base.rate())
		}
	}
	both.sum()
	return both, nil
}

// timeRevocations revokes on the first member, one token after the other, and
// asks the second one until it refuses; listeners are at the third.
func (r *run) timeRevocations(ctx context.Context, m *members, client credentials, natsAddress string) ([]figure, error) {
	tokens, err := r.mintOn(ctx, m.all[0], client, min(r.Requests, maxRevocations))
	if err != nil {
		return nil, err
	}
	ears, err := listen(ctx, m, natsAddress)
	if err != nil {
		return nil, err
	}
	defer ears.close()
	t := &http.Transport{DisableCompression: true}
	defer t.CloseIdleConnections()
	acknowledged := make([]time.Time, len(tokens))
	refused := make([]time.Duration, len(tokens))
	for i, token := range tokens {
		form := request{method: http.MethodPost, header: client.form(), body: tokenParameter(token)}
		form.path = "/oauth/revoke"
		if _, _, err := form.over(ctx, t, m.all[0].process); err != nil {
			return nil, err
		}
		acknowledged[i] = time.Now()
		for form.path = "/oauth/introspect"; ; {
			_, answer, err := form.over(ctx, t, m.all[1].process)
			if err != nil {
				return nil, err
			}
			if refused[i] = time.Since(acknowledged[i]); isInactive(answer) {
				break
			}
		}
	}
	figures := delays("a revocation is refused by another replica", refused)
	for _, e := range []struct {
		name string
		ear  *ear
	}{{"an SSE listener of another replica hears of it", ears.sse}, {"a NATS listener of another replica hears of it", ears.nats}} {
		heard, err := e.ear.after(ctx, tokens, acknowledged)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		figures = append(figures, delays(e.name, heard)...)
	}
	return figures, nil
}

// readOwnWrites revokes on the first member and reads on the second what the
// Consistency-Token of the answer must show.
func (r *run) readOwnWrites(ctx context.Context, m *members, client credentials) ([]figure, error) {
	tokens, err := r.mintOn(ctx, m.all[0], client, min(r.Requests, maxTokenReads))
	if err != nil {
		return nil, err
	}
	t := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: tokenReaders}
	defer t.CloseIdleConnections()
	reads := make([]time.Duration, len(tokens))
	stale := make([]int, tokenReaders)
	failures := make([]error, tokenReaders)
	var readers sync.WaitGroup
	for reader := range tokenReaders {
		readers.Go(func() {
			for i := reader; i < len(tokens) && failures[reader] == nil; i += tokenReaders {
				var active bool
				if reads[i], active, failures[reader] = m.readOwnWrite(ctx, t, client, tokens[i]); active {
					stale[reader]++
				}
			}
		})
	}
	readers.Wait()
	missed := 0
	for reader, err := range failures {
		if err != nil {
			return nil, err
		}
		missed += stale[reader]
	}
	return append([]figure{
		{fmt.Sprintf("stale reads with the Consistency-Token, of %d", len(tokens)), float64(missed), ""},
	}, delays("a read with the Consistency-Token, on another replica", reads)...), nil
}

func (m *members) readOwnWrite(ctx context.Context, t *http.Transport, client credentials, token string) (took time.Duration, active bool, err error) {
	form := request{method: http.MethodPost, path: "/oauth/revoke", header: client.form(), body: tokenParameter(token)}
	header, _, err := form.over(ctx, t, m.all[0].process)
	if err != nil {
		return 0, false, err
	}
	form.path = "/oauth/introspect"
	form.header.Set("Consistency-Token", header.Get("Consistency-Token"))
	began := time.Now()
	_, answer, err := form.over(ctx, t, m.all[1].process)
	return time.Since(began), !isInactive(answer), err
}

// mintOn makes tokens that the whole cluster will know.
func (r *run) mintOn(ctx context.Context, s *server, c credentials, n int) ([]string, error) {
	l := r.newLoad()
	defer l.close()
	return l.mint(ctx, s, c, n)
}

func isInactive(answer []byte) bool {
	return string(bytes.TrimSpace(answer)) == `{"active":false}`
}

// delays are the figures of what is wanted soon.
func delays(name string, all []time.Duration) []figure {
	slices.Sort(all)
	p := phase{latencies: all}
	return []figure{
		{name + ", p50", milliseconds(p.percentile(50)), "ms"},
		{name + ", p99", milliseconds(p.percentile(99)), "ms"},
	}
}
