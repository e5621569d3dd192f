package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/grantlog/grantlog/handlers/audit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/replay"
)

// exportCmd is "grantlog export".
type exportCmd struct {
	General general       `embed:""`
	Log     placeSettings `embed:""`

	URL       string `name:"url" placeholder:"URL" help:"Export from a running server, by its own HTTP interface."`
	AdminFile string `placeholder:"FILE" help:"Credentials to ask the running server with: its admin.json."`
	Backup    string `argv:"" placeholder:"FILE" help:"Export from a backup, with the master key that it was made under."`

	Archives archiveSettings `embed:""`

	NDJSON *string `argv:"" name:"ndjson" placeholder:"FILE" help:"Write one JSON object per line to a file, which must not exist; - is the standard output."`
	CSV    *string `argv:"" name:"csv" placeholder:"FILE" help:"Write CSV likewise, with a header."`

	Organization string  `argv:"" placeholder:"ID" help:"Events of one organization. (default: all)"`
	Type         string  `argv:"" placeholder:"TYPE,..." help:"Events of these types. (default: all)"`
	Since        *string `argv:"" placeholder:"T" help:"Events from this moment on: a position of the log or a time such as 2026-01-02T15:04:05Z."`
	Until        *string `argv:"" placeholder:"T" help:"Events up to this moment."`

	since replay.Moment // that Since names
}

// Help is shown below the usage line.
func (*exportCmd) Help() string {
	return `What is exported is what auditors see in GET /oauth/events: every event with its position, without secrets, digests and sealed personal data.

Exit codes: 0 written and whole; 1 the log is damaged, in use or out of reach; 2 a bad command line, no log there, a file that exists.`
}

func (c *exportCmd) Run(ctx context.Context, p process) error {
	form, path, err := c.form()
	if err != nil {
		return &usageError{err}
	}
	query, err := c.query(time.Now())
	if err != nil {
		return &usageError{err}
	}
	out, err := createFresh(path, p, false)
	if err != nil {
		return err
	}
	defer out.discard()
	if err = c.write(ctx, p, out, form, query); err == nil {
		err = out.keep()
	}
	var invalid *oauth.Error
	if errors.As(err, &invalid) {
		return &usageError{err}
	}
	return readerError(err)
}

// form says what to write, and where to.
func (c *exportCmd) form() (form, path string, err error) {
	switch {
	case c.URL != "" && c.Backup != "":
		return "", "", errors.New("--url and --backup are both given; which one is meant?")
	case (c.URL != "" || c.Backup != "") && len(c.Archives.Archive) > 0:
		return "", "", errors.New("--archive goes with --data, --nats or --cluster-name")
	case c.NDJSON != nil && c.CSV == nil && *c.NDJSON != "":
		return "ndjson", *c.NDJSON, nil
	case c.CSV != nil && c.NDJSON == nil && *c.CSV != "":
		return "csv", *c.CSV, nil
	}
	return "", "", errors.New("one of --ndjson FILE and --csv FILE says what to write, and where to")
}

// query makes the filters of GET /oauth/events.
func (c *exportCmd) query(now time.Time) (url.Values, error) {
	query := url.Values{}
	if c.Type != "" {
		query.Set("type", c.Type)
	}
	for _, bound := range []struct {
		flag           string
		text           *string
		time, position string
		off            int64 // from the position that is meant to the filter's
	}{
		{"--since", c.Since, "since", "after", -1},
		{"--until", c.Until, "until", "before", 1},
	} {
		if bound.text == nil {
			continue
		}
		m, err := parseMoment(*bound.text, now)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", bound.flag, err)
		}
		if bound.text == c.Since {
			c.since = m
		}
		if m.Position != 0 {
			query.Set(bound.position, strconv.FormatInt(int64(m.Position)+bound.off, 10))
		} else {
			query.Set(bound.time, m.Time.Format(time.RFC3339Nano))
		}
	}
	return query, nil
}

func (c *exportCmd) write(ctx context.Context, p process, out io.Writer, form string, query url.Values) error {
	if c.URL != "" {
		return c.download(ctx, out, form, query)
	}
	bar := newProgressBar(p.Stderr)
	defer bar.clear()
	var log replay.Log
	if c.Backup != "" {
		o, err := openBackup(ctx, &c.Log.logSettings, c.Backup, "")
		if err != nil {
			return backupError(err)
		}
		defer o.close()
		log = o.records
	} else {
		r, err := openQuietly(ctx, &c.Log, &c.General, p, "export")
		if err != nil {
			return err
		}
		defer r.Close()
		files, err := c.Archives.open(ctx, r.Master)
		if err != nil {
			return err
		}
		defer files.Close()
		if log, err = files.join(ctx, r.records()); err != nil {
			return err
		}
	}
	if c.since != (replay.Moment{}) {
		if err := replay.Reaches(ctx, log, c.since); err != nil {
			return err
		}
	}
	return audit.Export(ctx, out, form, log, replay.Before(log), c.Organization, query, bar.at)
}

// download has a running server write the export.
func (c *exportCmd) download(ctx context.Context, out io.Writer, form string, query url.Values) error {
	server, err := openRemote(c.URL, c.AdminFile)
	if err != nil {
		return err
	}
	if err := server.login(ctx); err != nil {
		return err
	}
	query.Set("format", form)
	if c.Organization != "" {
		query.Set("organization", c.Organization)
	}
	resp, err := server.ask(ctx, http.MethodGet, "/oauth/events?"+query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := refusal(resp); err != nil {
		return err
	}
	if _, err := io.Copy(out, resp.Body); err != nil {
		return fmt.Errorf("the export did not arrive whole: %w", err)
	}
	return nil
}
