// Package transparency owns the proof that the log was not altered, by HTTP:
// signed checkpoints, proofs, and the tiles that anybody can compute them from,
// below /oauth/log as C2SP's tlog-tiles has them. Hashes show nothing of the
// log; records and their entries, which are of all organizations, are for
// administrators alone.
package transparency

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	consistent "github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/projections/notary"
)

// scope opens what shows hashes only.
const scope = "events:read"

// plainText is the type of checkpoints, by the letter of tlog-tiles.
const plainText = "text/plain; charset=utf-8"

// immutable is how long a tile may be kept: for ever, but by nobody else than
// who was let in.
const immutable = "private, max-age=31536000, immutable"

// Config wires an Endpoint. All fields are required.
type Config struct {
	Authn  *authn.Authenticator
	Notary *notary.Notary
	// Position is the last record that this replica shows.
	Position func() events.Position
	// First is the first record of the log.
	First func() events.Position
	// Read gives records of the log; see journal.Journal.Read.
	Read func(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error
}

// Endpoint serves proofs.
type Endpoint struct{ Config }

// Mount adds the endpoints to a router.
func (e *Endpoint) Mount(g *echo.Group) {
	auditors, administrators := e.Authn.Require(scope), e.Authn.Require(command.ScopeAdmin)
	g.GET(tree.Prefix+"/checkpoint", e.checkpoint, auditors)
	g.GET(tree.Prefix+"/key", e.key, auditors)
	g.GET(tree.Prefix+"/proof", e.proof, auditors)
	g.GET(tree.Prefix+"/tile/*", e.tile, auditors)
	g.GET(tree.Prefix+"/tile/entries/*", e.entries, administrators, middleware.Gzip())
	g.GET(tree.Prefix+"/records", e.records, administrators)
}

func (e *Endpoint) checkpoint(c echo.Context) error {
	head, err := e.Notary.Head(c.Request().Context())
	if err != nil {
		return err
	}
	text, err := e.Notary.Sign(head)
	if err != nil {
		return err
	}
	// What proofs of it are asked with: a replica that does not show it waits.
	consistent.Set(c, events.Position(head.Size))
	return c.Blob(http.StatusOK, plainText, text)
}

// key tells what checkpoints are verified with.
func (e *Endpoint) key(c echo.Context) error {
	return c.Blob(http.StatusOK, plainText, []byte(e.Notary.VerifierKey()+"\n"))
}

func (e *Endpoint) tile(c echo.Context) error {
	wanted, ok := tree.ParsePath(c.Param("*"))
	if !ok || wanted.Entries {
		return command.ErrNotFound
	}
	hashes, err := e.Notary.Tile(c.Request().Context(), wanted)
	if err != nil {
		return absent(err)
	}
	c.Response().Header().Set("Cache-Control", immutable)
	return c.Blob(http.StatusOK, echo.MIMEOctetStream, hashes)
}

// absent answers what the log has not reached as not found: for a resource.
func absent(err error) error {
	if errors.Is(err, tree.ErrBeyond) {
		return command.ErrNotFound
	}
	return err
}
