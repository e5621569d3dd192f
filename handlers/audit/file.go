package audit

import (
	"context"
	"io"
	"net/url"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/oauth"
)

// Log is a log to export; see replay.Log.
type Log interface {
	Last(ctx context.Context) (events.Position, error)
	Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error
}

// Export writes what GET /oauth/events exports, from a log that is at hand: the
// events of an organization (empty: of all) that a query selects, as csv or
// ndjson. The whole log is read, from where it begins, whatever is written: that
// is what makes it verified.
func Export(ctx context.Context, w io.Writer, form string, log Log, from journal.Cursor, organization string, query url.Values, progress func(at, last events.Position)) error {
	f, err := parseFilter(query, organization)
	if err != nil {
		return err
	}
	if mediaTypes[form] == "" {
		return oauth.Invalid("format must be csv or ndjson")
	}
	last, err := log.Last(ctx)
	if err != nil {
		return err
	}
	x := newExporter(form, w, nil)
	if err := x.begin(); err != nil {
		return err
	}
	err = log.Read(ctx, from, last, func(r *journal.Record) error {
		progress(r.Position, last)
		if r.Position <= f.after || f.before > 0 && r.Position >= f.before {
			return nil
		}
		matches, err := match(r, f, always)
		for _, m := range matches {
			if err == nil {
				err = x.write(m)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return x.flush()
}
