// Package consistency owns the Consistency-Token header: every answer to a
// write names the position that holds it, and a read that sends the token back
// reflects that write on any replica, or is answered 503. It also keeps a
// replica that cannot prove its freshness from answering at all.
package consistency

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// Header is the name of the header in requests and answers.
const Header = "Consistency-Token"

// patience is how long a read waits for the write it must reflect.
const patience = time.Second

// Follower is what the middleware needs of the replica's state.
type Follower interface {
	WaitFor(ctx context.Context, position events.Position) error
	Fresh() error
}

// Set names the position of a write in its answer.
func Set(c echo.Context, position events.Position) {
	c.Response().Header().Set(Header, position.ConsistencyToken())
}

// Middleware lets a request through once this replica is fresh and shows the
// writes that the request's tokens name.
func Middleware(f Follower) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := f.Fresh(); err != nil {
				return err
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
		position, err := events.ParseConsistencyToken(token)
		if err != nil {
			return oauth.Invalid("The Consistency-Token is malformed")
		}
		latest = max(latest, position)
	}
	if latest == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f.WaitFor(ctx, latest)
}
