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
// write that the request's token names.
func Middleware(f Follower) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := f.Fresh(); err != nil {
				return err
			}
			if token := c.Request().Header.Get(Header); token != "" {
				if err := wait(c.Request().Context(), f, token); err != nil {
					return err
				}
			}
			return next(c)
		}
	}
}

func wait(ctx context.Context, f Follower, token string) error {
	position, err := events.ParseConsistencyToken(token)
	if err != nil {
		return oauth.Invalid("The Consistency-Token is malformed")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f.WaitFor(ctx, position)
}
