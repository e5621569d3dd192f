package main

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/replay"
)

// tailCmd is "grantlog tail".
type tailCmd struct {
	General general       `embed:""`
	Log     placeSettings `embed:""`

	URL       string `name:"url" placeholder:"URL" help:"Follow a running server instead, by its own HTTP streams."`
	AdminFile string `placeholder:"FILE" help:"Credentials to ask the running server with: its admin.json."`

	After       uint64          `argv:"" placeholder:"POSITION" help:"Print what comes after this position. (default 0: everything)"`
	Revocations bool            `argv:"" help:"Print revocations only: every event that ends tokens."`
	Archives    archiveSettings `embed:""`

	NoFollow bool `argv:"" help:"End at the end of the log."`
}

func (c *tailCmd) Run(ctx context.Context, p process) (err error) {
	if c.URL != "" {
		return c.runRemote(ctx, p)
	}
	r, err := openReading(ctx, &c.Log, &c.General, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	files, err := c.Archives.open(ctx, r.Master)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	log, err := files.join(ctx, r.records())
	if err != nil {
		return err
	}
	from := replay.Before(log)
	if after := events.Position(c.After); after > 0 && after < from.Position {
		return archivedError(from.Position + 1)
	}
	out := &eventPrinter{w: p.Stdout, after: events.Position(c.After), revocations: c.Revocations}
	if c.NoFollow || len(c.Archives.Archive) > 0 {
		last, err := log.Last(ctx)
		if err == nil {
			err = log.Read(ctx, from, last, func(r *journal.Record) error {
				from = r.Cursor()
				return out.print(r)
			})
		}
		if err != nil || c.NoFollow {
			return err
		}
	}
	if err = r.journal.Tail(ctx, from, out.print); ctx.Err() != nil {
		return nil // being stopped is how a tail ends
	}
	return err
}

func (c *tailCmd) runRemote(ctx context.Context, p process) error {
	if c.NoFollow {
		return &usageError{errors.New("--no-follow does not go with --url; GET /oauth/events lists what there is")}
	}
	server, err := openRemote(c.URL, c.AdminFile)
	if err != nil {
		return err
	}
	path := "/oauth/events/stream"
	if c.Revocations {
		path = "/oauth/revocations/stream"
	}
	return server.follow(ctx, path, c.After, p.Stdout)
}

// eventPrinter writes events as JSON, one per line, with their position. The
// whole log is read, whatever is printed: that is what makes it verified.
type eventPrinter struct {
	w           io.Writer
	after       events.Position
	revocations bool
	line        []byte
}

func (p *eventPrinter) print(r *journal.Record) error {
	if r.Position <= p.after {
		return nil
	}
	for e, err := range r.Events() {
		if err != nil {
			return err
		}
		if family, _ := events.FamilyOf(e.Type); p.revocations && family != events.FamilyRevocations {
			continue
		}
		if err := p.event(r.Position, e); err != nil {
			return err
		}
	}
	return nil
}

// event writes the event as it stands in the log, with its position in front.
func (p *eventPrinter) event(at events.Position, e *events.Event) error {
	event, err := events.AppendEvent(nil, e)
	if err != nil {
		return err
	}
	p.line = append(p.line[:0], `{"position":`...)
	p.line = strconv.AppendUint(p.line, uint64(at), 10)
	p.line = append(p.line, ',')
	p.line = append(p.line, event[1:]...)
	p.line = append(p.line, '\n')
	_, err = p.w.Write(p.line)
	return err
}
