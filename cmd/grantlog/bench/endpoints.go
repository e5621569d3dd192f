package bench

import (
	"context"
	"net/url"
	"time"
)

// mintTimeout bounds the making of tokens ahead of a phase.
const mintTimeout = 5 * time.Minute

// issueTokens: client_credentials, Basic, ES256.
func issueTokens(ctx context.Context, r *run) (result, error) {
	return r.against(ctx, "token", func(_ context.Context, _ *load, _ *server, client credentials) (call, error) {
		return call{
			path: "/oauth/token", header: client.form(),
			body:   func(int) string { return tokenForm },
			accept: contains(`{"access_token":"ey`),
		}, nil
	})
}

// introspectTokens: live tokens of a pool in turn, by the client they were
// issued to.
func introspectTokens(ctx context.Context, r *run) (result, error) {
	var pool []string
	return r.against(ctx, "introspect", func(ctx context.Context, l *load, s *server, client credentials) (c call, err error) {
		if pool == nil {
			if pool, err = l.mint(ctx, s, client, r.Tokens); err != nil {
				return c, err
			}
		}
		return call{
			path: "/oauth/introspect", header: client.form(),
			body:   func(i int) string { return tokenParameter(pool[i%len(pool)]) },
			accept: contains(`{"active":true,`),
		}, nil
	})
}

// revokeTokens: every request ends a live token, minted before the phase.
func revokeTokens(ctx context.Context, r *run) (result, error) {
	return r.against(ctx, "revoke", func(ctx context.Context, l *load, s *server, client credentials) (c call, err error) {
		fresh, err := l.mint(ctx, s, client, r.Requests)
		if err != nil {
			return c, err
		}
		return call{
			path: "/oauth/revoke", header: client.form(), count: len(fresh),
			body: func(i int) string { return tokenParameter(fresh[i]) },
		}, nil
	})
}

func tokenParameter(token string) string { return "token=" + url.QueryEscape(token) }

// prepare makes the call of a round.
type prepare func(context.Context, *load, *server, credentials) (call, error)

// against compares a server that holds one application with the bare handler.
func (r *run) against(ctx context.Context, name string, prepare prepare) (result, error) {
	s, err := r.serve(ctx)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	client, err := s.application(ctx, "Benchmark")
	if err != nil {
		return result{}, err
	}
	l, err := r.compare(ctx, name, s.process, func(ctx context.Context, l *load) (call, error) {
		return prepare(ctx, l, s, client)
	})
	return result{Load: l}, err
}
