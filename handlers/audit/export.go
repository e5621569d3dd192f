package audit

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
)

// Forms of a list.
const (
	formJSON   = "json" // a page
	formCSV    = "csv"  // the others are everything, as a stream
	formNDJSON = "ndjson"
)

var mediaTypes = map[string]string{
	formCSV:    "text/csv; charset=utf-8; header=present",
	formNDJSON: "application/x-ndjson",
}

const (
	// maxExports is how many exports run at once: each reads the log as fast as
	// it can.
	maxExports = 2
	// exportPiece is after how many records an export looks whether it may go
	// on, and sends what it has.
	exportPiece = 256
	// patience is how long a client may take to accept what is written.
	patience = 10 * time.Second
	// endHeader names the last record that an export looked at.
	endHeader = "As-Of-Position"
)

var errExports = &oauth.Error{
	Status: http.StatusServiceUnavailable, Code: oauth.CodeUnavailable,
	Message: "Other exports are running; retry", RetryAfter: 5,
}

// formOf reads what a client wants: its format parameter says it, or else its
// Accept header.
func formOf(r *http.Request, query url.Values) (string, error) {
	form, err := page.One(query, "format")
	switch {
	case err != nil:
		return "", err
	case form == formJSON || form == formCSV || form == formNDJSON:
		return form, nil
	case query.Has("format"):
		return "", oauth.Invalid("format must be json, csv or ndjson")
	}
	for _, value := range strings.Split(r.Header.Get("Accept"), ",") {
		switch media, _, _ := mime.ParseMediaType(value); media {
		case "text/csv":
			return formCSV, nil
		case "application/x-ndjson", "application/ndjson":
			return formNDJSON, nil
		case "application/json", "*/*":
			return formJSON, nil
		}
	}
	return formJSON, nil
}

// export writes every event that a filter selects, up to the last record of now.
// An export that does not get there is cut off, so that nobody takes it for a
// whole one.
func (e *Endpoint) export(c echo.Context, f filter, form string) error {
	for _, name := range []string{"limit", "cursor"} {
		if c.QueryParams().Has(name) {
			return oauth.Invalid(name + " does not go with an export, which has no pages")
		}
	}
	if f.backward {
		return oauth.Invalid("An export is in log order")
	}
	select {
	case e.exports <- struct{}{}:
		defer func() { <-e.exports }()
	default:
		return errExports
	}
	end := e.Position()
	if f.before > 0 {
		end = min(end, f.before-1)
	}
	control := http.NewResponseController(c.Response())
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Type", mediaTypes[form])
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "events."+form))
	h.Set(endHeader, strconv.FormatUint(uint64(end), 10))
	h.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	w := newExporter(form, c.Response(), control)
	if err := e.exportTo(c.Request().Context(), w, authn.From(c), f, end); err != nil {
		panic(http.ErrAbortHandler) // the status has been sent: the connection says it
	}
	return nil
}

// exportTo writes piece by piece, as long as the caller may read and this
// replica may answer.
func (e *Endpoint) exportTo(ctx context.Context, w *exporter, caller authn.Caller, f filter, end events.Position) error {
	if err := w.begin(); err != nil {
		return err
	}
	for at := f.lowest(); at < end; {
		if err := e.Fresh(); err != nil {
			return err
		}
		if !e.Authn.StillLive(caller) {
			return errEnough
		}
		to := min(end, at+exportPiece)
		err := e.Read(ctx, journal.Cursor{Position: at}, to, func(r *journal.Record) error {
			matches, err := match(r, f, always)
			for _, m := range matches {
				if err == nil {
					err = w.write(m)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		if at = to; w.flush() != nil {
			return errEnough
		}
		select {
		case <-e.Stopping:
			return errEnough
		default:
		}
	}
	return w.flush()
}

func always(events.Position, int) bool { return true }
