// Package backups owns GET /oauth/log/backup: the log as one file, consistent
// at a position, while the server goes on. What it holds and how it is read is
// package backup's. It is for administrators alone: a backup holds every
// organization, and sealed what nobody else is shown at all.
package backups

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/replay/backup"
)

// Path is where backups are taken.
const Path = "/oauth/log/backup"

// patience is how long a reader may take to accept what is written, about a
// mebibyte at a time.
const patience = time.Minute

var (
	errBusy = &oauth.Error{
		Status: http.StatusServiceUnavailable, Code: oauth.CodeUnavailable,
		Message: "This replica is writing a backup already; retry", RetryAfter: 10,
	}
	errStopping = errors.New("the server stops")
	errEnded    = errors.New("the token that it was asked for with has ended")
)

// Config wires an Endpoint. All fields are required.
type Config struct {
	Authn  *authn.Authenticator
	Source backup.Source // but for the time and the base
	// Base is what the log begins with; nil: with its first record.
	Base func(ctx context.Context) (*backup.Base, error)
	Now  func() time.Time
	// Fresh fails while this replica may not answer.
	Fresh func() error
	// Stopping is closed when the server stops.
	Stopping <-chan struct{}
	Log      *slog.Logger
}

// Endpoint serves backups, one at a time: each reads the whole log.
type Endpoint struct {
	Config
	one sync.Mutex
}

// New returns the endpoint.
func New(cfg Config) *Endpoint { return &Endpoint{Config: cfg} }

// Mount adds the endpoint to a router.
func (e *Endpoint) Mount(g *echo.Group) {
	g.GET(Path, e.take, e.Authn.Require(command.ScopeAdmin))
}

func (e *Endpoint) take(c echo.Context) error {
	contents := backup.All
	query, err := page.Query(c.Request())
	if err != nil {
		return err
	}
	name, err := page.One(query, "contents")
	if err != nil {
		return err
	}
	if name != "" {
		if contents, err = backup.ParseContents(name); err != nil {
			return oauth.Invalid("contents must be all, log or keys")
		}
	}
	if !e.one.TryLock() {
		return errBusy
	}
	defer e.one.Unlock()
	// What can be known to be out of reach is told while there is a status.
	if _, err := e.Source.Last(c.Request().Context()); err != nil {
		return err
	}
	base, err := e.Base(c.Request().Context())
	if err != nil {
		return err
	}
	return e.send(c, contents, base)
}

// send writes a backup. One that breaks off breaks the connection: nobody may
// take the end of the answer for the end of the backup, which they would not
// find in it either.
func (e *Endpoint) send(c echo.Context, contents backup.Contents, base *backup.Base) error {
	ctx, cancel := context.WithCancelCause(c.Request().Context())
	defer cancel(nil)
	out := &answer{e: e, c: c, control: http.NewResponseController(c.Response())}
	if err := out.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-e.Stopping:
			cancel(errStopping)
		case <-done:
		}
	}()
	source := e.Source
	source.Now, source.Base = e.Now(), base
	began := time.Now()
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, echo.MIMEOctetStream)
	h.Set(echo.HeaderContentDisposition, `attachment; filename="grantlog.backup"`)
	m, err := backup.Take(ctx, out, source, contents, nil)
	if err != nil {
		e.Log.Warn("a backup broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	if err := out.control.SetWriteDeadline(time.Time{}); err != nil { // others follow on the connection
		return err
	}
	e.Log.Info("backup taken", "contents", string(contents), "position", m.Position, "took", time.Since(began))
	return nil
}

// answer is the body, written as long as the caller may have it.
type answer struct {
	e       *Endpoint
	c       echo.Context
	control *http.ResponseController
}

func (a *answer) Write(b []byte) (int, error) {
	if err := a.e.Fresh(); err != nil {
		return 0, err
	}
	if !a.e.Authn.StillLive(authn.From(a.c)) {
		return 0, errEnded
	}
	if err := a.control.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return a.c.Response().Write(b)
}
