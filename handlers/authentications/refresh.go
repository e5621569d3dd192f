package authentications

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/projections"
)

const (
	// margin is how long before its expiry an access token is refreshed, at
	// least; replicas spread themselves over another half of it.
	margin = 90 * time.Second
	look   = time.Second // how often a replica looks for what is due
	batch  = 256         // looked at in one go
	hands  = 16          // refreshes at once
)

// Run refreshes what falls due until ctx ends. It runs on every replica: a
// lease in the log makes one of them do each refresh.
func (e *Endpoint) Run(ctx context.Context) {
	defer e.client.close()
	timer := time.NewTimer(look)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		pause := look
		if e.round(ctx) == batch {
			pause = 0 // there is more
		}
		timer.Reset(pause + rand.N(look/4))
	}
}

// round refreshes what is due now and says how much that was.
func (e *Endpoint) round(ctx context.Context) int {
	now := e.Emit.Now()
	expires := now.Add(margin + rand.N(margin/2)).Unix()
	var due []*projections.Authentication
	e.Emit.View(func(s *projections.State) { due = s.Connections.Due(expires, now.Unix(), batch) })
	work := make(chan *projections.Authentication)
	var workers sync.WaitGroup
	for range min(hands, len(due)) {
		workers.Go(func() {
			for a := range work {
				e.keepFresh(ctx, a, expires)
			}
		})
	}
	for _, a := range due {
		work <- a
	}
	close(work)
	workers.Wait()
	return len(due)
}

// keepFresh refreshes one authentication, if this replica gets the lease. What
// the provider gives is durable before anything uses it. A crash in between
// leaves the lease to run out, and the next holder to present the former token
// with the same Idempotency-Key: a provider that honours it, as grantlog does,
// gives what it gave before.
func (e *Endpoint) keepFresh(ctx context.Context, due *projections.Authentication, expires int64) {
	leasing, ending := emit.Meta{Correlation: events.NewID("refresh_")}.Causing()
	lease, err := e.Emit.Do(ctx, leasing, func(s *projections.State, now time.Time) (command.Decision, error) {
		return command.LeaseRefresh(s, now, due.ID, expires, events.NewID("k_"))
	})
	if err != nil {
		if !errors.Is(err, command.ErrLeased) && ctx.Err() == nil {
			e.Log.Warn("a refresh could not be leased", "authentication", due.ID, "error", err)
		}
		return
	}
	a, ok := e.leased(due.ID, lease)
	if !ok {
		return
	}
	outcome, err := e.refreshed(ctx, a)
	if err != nil {
		// The lease stands: it is what keeps everybody from trying again at once.
		e.Log.Warn("tokens could not be refreshed; trying again later", "authentication", a.ID, "provider", a.Provider, "error", err)
		return
	}
	_, err = e.Emit.Do(ctx, ending, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.EndRefresh(s, lease, outcome)
	})
	if err != nil && !errors.Is(err, command.ErrLeased) {
		e.Log.Error("refreshed tokens could not be kept", "authentication", a.ID, "provider", a.Provider, "error", err)
	}
}

// leased returns the authentication as it was leased: its tokens may be others
// than when it was found to be due.
func (e *Endpoint) leased(id string, lease events.Position) (a *projections.Authentication, ok bool) {
	e.Emit.View(func(s *projections.State) { a, ok = s.Connections.Get(id) })
	return a, ok && a.Revision == lease
}

// refreshed asks the provider. An error means to try again later.
func (e *Endpoint) refreshed(ctx context.Context, a *projections.Authentication) (events.Data, error) {
	old, err := e.safe.open(ctx, a)
	if err != nil {
		return nil, err
	}
	p, secret, err := e.provider(a.Organization, a.Provider)
	if err != nil {
		return &events.AuthenticationFailed{ID: a.ID, Reason: "provider_removed"}, nil
	}
	t, err := e.client.refresh(ctx, p, secret, old, a.Key)
	if errors.Is(err, errRefused) {
		e.Log.Warn("a provider refused to refresh", "authentication", a.ID, "provider", a.Provider, "error", err)
		return &events.AuthenticationFailed{ID: a.ID, Reason: "refused"}, nil
	}
	if err != nil {
		return nil, err
	}
	closed, err := e.safe.again(ctx, a.ID, t)
	return &events.AuthenticationRefreshed{ID: a.ID, Tokens: closed, ExpiresAt: t.expiresAt}, err
}
