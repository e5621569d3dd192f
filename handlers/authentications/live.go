package authentications

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// ErrNone says that an organization has no live token of a provider.
var ErrNone = errors.New("authentications: no live token")

// Token returns the live access token that an organization has from a
// provider: what ${NAME_access_token} stands for. Of several the newest counts.
func (e *Endpoint) Token(ctx context.Context, organization, provider string) (string, error) {
	now := e.Emit.Now().Unix()
	var newest *projections.Authentication
	e.Emit.View(func(s *projections.State) {
		for _, a := range slices.Backward(s.Connections.Of(organization)) {
			if a.Provider == provider && a.Active() && a.ExpiresAt > now {
				newest = a
				return
			}
		}
	})
	if newest == nil {
		return "", ErrNone
	}
	if token, ok := e.cache.get(newest); ok {
		return token, nil
	}
	t, err := e.safe.open(ctx, newest)
	if erased(err) {
		return "", ErrNone
	}
	if err == nil {
		e.cache.put(newest, t.Access)
	}
	return t.Access, err
}

// cache keeps opened access tokens, each for the revision it was opened at, so
// that a call through the gateway asks nobody.
type cache struct {
	mu     sync.Mutex
	opened map[string]openedToken
}

type openedToken struct {
	revision events.Position
	expires  int64
	token    string
}

// maxOpened bounds the cache.
const maxOpened = 10_000

func (c *cache) get(a *projections.Authentication) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.opened[a.ID]
	return t.token, ok && t.revision == a.Revision
}

func (c *cache) put(a *projections.Authentication, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened == nil || len(c.opened) >= maxOpened {
		c.opened = map[string]openedToken{}
	}
	c.opened[a.ID] = openedToken{a.Revision, a.ExpiresAt, token}
}
