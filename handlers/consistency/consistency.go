// Package consistency owns the Consistency-Token header: every answer to a
// write names the position that holds it, and a read that sends the token back
// reflects that write on any replica, or is answered 503. It also keeps a
// replica that cannot prove its freshness from answering at all.
package consistency

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// Header is the name of the header in requests and answers.
const Header = "Consistency-Token"

// patience is how long a read waits for the write it must reflect: a refusal is
// to reach its client within a second.
const patience = 900 * time.Millisecond

// Follower is what the middleware needs of the replica's state.
type Follower interface {
	WaitFor(ctx context.Context, position events.Position) error
	Fresh() error
	// Epoch is the epoch that a position belongs to; see projections.Epochs.
	Epoch(position events.Position) string
}

// errLost is a token of a log that does not exist any more: what it stands for
// may never have happened.
var errLost = oauth.Invalid("The Consistency-Token is from before the log was restored from a backup; read again without it")

// errBehind is a write that this replica has not seen in time. It may be on its
// way, and another replica may show it.
var errBehind = &oauth.Error{
	Status: http.StatusServiceUnavailable, Code: oauth.CodeUnavailable,
	Message: "This replica does not show the write that the Consistency-Token names yet; retry", RetryAfter: 1,
}

// followerKey is where a request's context has the Follower, if the log was
// ever restored.
const followerKey = "grantlog.follower"

// Set names the position of a write in its answer.
func Set(c echo.Context, position events.Position) {
	c.Response().Header().Set(Header, markOf(c, position).ConsistencyToken())
}

// markOf names a position as clients are told it.
func markOf(c echo.Context, position events.Position) events.Mark {
	mark := events.Mark{Position: position}
	if f, ok := c.Get(followerKey).(Follower); ok {
		mark.Epoch = f.Epoch(position)
	}
	return mark
}

// Middleware lets a request through once this replica is fresh and shows the
// writes that the request's tokens name.
func Middleware(f Follower) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := f.Fresh(); err != nil {
				return err
			}
			if f.Epoch(math.MaxUint64) != "" {
				c.Set(followerKey, f)
			}
			if tokens := c.Request().Header[Header]; len(tokens) > 0 {
				if err := wait(c.Request().Context(), f, tokens); err != nil {
					return err
				}
			}
			return next(c)
		}
	}
}

// wait waits for the latest of the writes that the tokens name: a caller that
// made several may send the token of each.
func wait(ctx context.Context, f Follower, tokens []string) error {
	var latest events.Position
	for _, token := range tokens {
		if token == "" {
			continue
		}
		mark, err := events.ParseConsistencyToken(token)
		if err != nil {
			return oauth.Invalid("The Consistency-Token is malformed")
		}
		// A replica that is fresh knows every epoch: no log is restored under a
		// running server.
		if mark.Epoch != f.Epoch(mark.Position) {
			return errLost
		}
		latest = max(latest, mark.Position)
	}
	if latest == 0 {
		return nil
	}
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := f.WaitFor(soon, latest)
	if soon.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return errBehind
	}
	return err
}
