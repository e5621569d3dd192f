package bench

import (
	"context"
	"fmt"
)

// compare drives the bare handler and the server in turn. prepare makes the
// server's call of a round before either is driven; the bare handler is sent
// the same requests.
func (r *run) compare(ctx context.Context, name string, server *process, prepare func(context.Context, *load) (call, error)) (*comparison, error) {
	bare, err := r.start(ctx, "bench-bare")
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	return r.race(ctx, name, bare, server, prepare)
}

// race is compare with any server that accepts the same requests.
func (r *run) race(ctx context.Context, name string, bare, server *process, prepare func(context.Context, *load) (call, error)) (*comparison, error) {
	load := r.newLoad()
	defer load.close()
	both := &comparison{}
	for round := range r.Rounds + 1 {
		c, err := prepare(ctx, load)
		if err != nil {
			return nil, err
		}
		same := c
		same.accept = nil
		base, err := load.drive(ctx, bare, same)
		if err != nil {
			return nil, err
		}
		own, err := load.drive(ctx, server, c)
		if err != nil {
			return nil, err
		}
		if base.failed > 0 {
			return nil, fmt.Errorf("the bare handler failed %d requests: %v", base.failed, base.errors)
		}
		both.add(base, own, round > 0)
		if round > 0 {
			r.progress("%s: round %d of %d: %.0f req/s, bare %.0f", name, round, r.Rounds, own.rate(), base.rate())
		}
	}
	both.sum()
	return both, nil
}
