package token

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

const refreshGrant = "refresh_token"

// withRefresh adds the first refresh token of a family, if the application is
// to have one.
func (e *Endpoint) withRefresh(g command.Grant) Granted {
	token := credential.NewRefreshToken()
	if g.Refresh = command.FirstRefresh(g, events.NewID("f_"), authn.Digest(token)); g.Refresh == nil {
		return Granted{Grant: g}
	}
	return Granted{Grant: g, RefreshToken: token}
}

// refresh decides a request of RFC 6749 section 6. Of a token that can count,
// the presentation is recorded with the access token that it is to give; of
// one that was used before, alone. Either way the log judges.
func (e *Endpoint) refresh(c echo.Context, now time.Time, client command.Client, p oauth.Params) (Granted, error) {
	token := p["refresh_token"]
	if token == "" {
		return Granted{}, command.ErrMissingParameters
	}
	partner, err := partnerOf(c)
	if err != nil {
		return Granted{}, err
	}
	key, err := oauth.IdempotencyKey(c.Request())
	if err != nil {
		return Granted{}, err
	}
	successor := e.Rotator.Successor(token, key)
	presented := command.PresentedRefresh{
		Token: authn.Digest(token), Successor: authn.Digest(successor), Repeatable: key != "", Partner: partner, Scope: p["scope"],
	}
	ctx := c.Request().Context()
	if err := e.meet(ctx, token, presented.Token); err != nil {
		return Granted{}, err
	}
	var grant command.Grant
	var verdict projections.Presentation
	e.Emit.View(func(s *projections.State) { grant, verdict, err = command.PresentRefresh(s, now, client, presented) })
	if err == nil && verdict == projections.Reused {
		err = e.reused(ctx, metaOf(c, grant), grant)
	}
	return Granted{Grant: grant, RefreshToken: successor}, err
}

// meet waits for what the log holds if a token is unknown here: it may have
// been given out by another replica a moment ago.
func (e *Endpoint) meet(ctx context.Context, token string, digest events.TokenDigest) error {
	known := !credential.LooksLikeRefreshToken(token) // it is nobody's
	if !known {
		e.Emit.View(func(s *projections.State) { _, known = s.Refreshes.ByToken(digest) })
	}
	if known {
		return nil
	}
	return e.Emit.Prove(ctx)
}

// descends reports whether the log shows a grant's refresh token as one of a
// living family. Whoever came second with the token before it has ended the
// family: so if it lives, this presentation counted.
func descends(s *projections.State, r *command.Refresh) bool {
	return r == nil || s.Refreshes.Descends(r.Token, r.Family)
}

// reused records the presentation of a token that was used before: the log
// ends its family.
func (e *Endpoint) reused(ctx context.Context, meta emit.Meta, g command.Grant) error {
	presentation, ending := meta.Causing()
	_, err := e.Emit.Do(ctx, presentation, func(*projections.State, time.Time) (command.Decision, error) {
		return command.RecordReuse(g)
	})
	if err != nil {
		return err
	}
	e.tellReuse(ctx, ending, g.Refresh.Family)
	return command.ErrRefreshToken
}

// tellReuse tells listeners that a family ended by reuse, if it did. What fails
// here is made up for by Run: on this and every replica, the family has ended.
func (e *Endpoint) tellReuse(ctx context.Context, meta emit.Meta, family string) {
	_, err := e.Emit.Do(ctx, meta, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.TellReuse(s, family)
	})
	if err != nil && !errors.Is(err, command.ErrUnchanged) {
		e.Log.Warn("the reuse of a refresh token was not told to listeners yet", "family", family, "error", err)
	}
}

// A replica looks for reuses that listeners were not told of, because whoever
// saw one was gone before it had done so, in intervals of at least look. One
// that ended just now is still being told.
const (
	look  = 5 * time.Second
	grace = 10 * time.Second
)

// Run tells listeners of endings that no request told them of, until ctx ends.
func (e *Endpoint) Run(ctx context.Context) {
	timer := time.NewTimer(look)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		e.makeUp(ctx)
		timer.Reset(look + rand.N(look))
	}
}

func (e *Endpoint) makeUp(ctx context.Context) {
	var untold []*projections.RefreshFamily
	e.Emit.View(func(s *projections.State) { untold = s.Refreshes.Untold(e.Emit.Now().Add(-grace).Unix()) })
	for _, f := range untold {
		e.tellReuse(ctx, emit.Meta{Correlation: events.NewID("reuse_")}, f.ID)
	}
}
