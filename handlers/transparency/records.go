package transparency

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
)

// Bounds of one answer with records. Whoever wants more asks again.
const (
	defaultRecords = 1000
	maxRecords     = 10_000
	maxBytes       = 64 << 20
)

// entries serves the entries of a tile's leaves, each behind its length.
func (e *Endpoint) entries(c echo.Context) error {
	wanted, ok := tree.ParsePath("entries/" + c.Param("*"))
	if !ok || wanted.End() > int64(e.Position()) {
		return command.ErrNotFound
	}
	var bundle, entry []byte
	from := journal.Cursor{Position: events.Position(wanted.First)}
	if err := e.Read(c.Request().Context(), from, events.Position(wanted.End()), func(r *journal.Record) error {
		entry = tree.AppendEntry(entry[:0], r.Subject, r.Payload)
		bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(entry)))
		bundle = append(bundle, entry...)
		return nil
	}); err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", immutable)
	return c.Blob(http.StatusOK, echo.MIMEOctetStream, bundle)
}

// ndjson is the type of a list with an object in every line.
const ndjson = "application/x-ndjson"

// errEnough ends a reading at the bounds of an answer.
var errEnough = errors.New("enough")

// records streams records as they are stored, after a position. An answer that
// breaks off is one that ends early: positions tell.
func (e *Endpoint) records(c echo.Context) error {
	after, limit, err := recordsAsked(c)
	if err != nil {
		return err
	}
	if first := e.First(); after == 0 && !c.QueryParams().Has("after") {
		after = first - 1
	} else if after+1 < first {
		return &journal.ArchivedError{First: first}
	}
	end := min(e.Position(), after+limit)
	sent := 0
	var line []byte
	w := c.Response()
	err = e.Read(c.Request().Context(), journal.Cursor{Position: after}, end, func(r *journal.Record) error {
		if line, err = appendRecord(line[:0], r); err != nil {
			return err
		}
		if sent == 0 {
			w.Header().Set(echo.HeaderContentType, ndjson)
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		if sent += len(line); sent >= maxBytes {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err == nil && sent == 0:
		return c.Blob(http.StatusOK, ndjson, nil)
	}
	return err
}

func recordsAsked(c echo.Context) (after, limit events.Position, err error) {
	query, err := page.Query(c.Request())
	if err != nil {
		return 0, 0, err
	}
	limit = defaultRecords
	for name, into := range map[string]*events.Position{"after": &after, "limit": &limit} {
		text, err := page.One(query, name)
		if err != nil {
			return 0, 0, err
		}
		if !query.Has(name) {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return 0, 0, oauth.Invalid(name + " must be a number")
		}
		*into = events.Position(n)
	}
	if limit < 1 || limit > maxRecords {
		return 0, 0, oauth.Invalid("limit must be from 1 to " + strconv.Itoa(maxRecords))
	}
	return after, limit, nil
}

// appendRecord writes a record as a line of JSON. The payload is JSON, byte by
// byte as it is stored.
func appendRecord(dst []byte, r *journal.Record) ([]byte, error) {
	head, err := json.Marshal(struct {
		Position events.Position `json:"position"`
		Subject  string          `json:"subject"`
		MAC      string          `json:"mac"`
	}{r.Position, r.Subject, r.MAC})
	if err != nil {
		return dst, err
	}
	dst = append(dst, head[:len(head)-1]...)
	dst = append(dst, `,"payload":`...)
	dst = append(dst, r.Payload...)
	return append(dst, '}', '\n'), nil
}
