package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/grantlog/grantlog/handlers/backups"
	"github.com/grantlog/grantlog/replay/backup"
)

// backupCmd is "grantlog backup".
type backupCmd struct {
	General general       `embed:""`
	Log     placeSettings `embed:""`

	URL       string `name:"url" placeholder:"URL" help:"Back up a running server, by its own HTTP interface."`
	AdminFile string `placeholder:"FILE" help:"Credentials to ask the running server with: its admin.json."`

	Contents backupContents `argv:"" placeholder:"WHAT" default:"all" help:"all, log (without the keys of personal data, to be kept for long) or keys (these alone, to be kept for a short time). (default all)"`
	File     string         `arg:"" help:"File to write, which must not exist; - is the standard output."`
}

// Help is shown below the usage line.
func (*backupCmd) Help() string {
	return `The backup is consistent at a position: everything that was acknowledged before the command was given is in it, whatever goes on meanwhile. It holds no secret in clear, and not the master key: keep that elsewhere, for nothing is restored without it.

Exit codes: 0 written and whole; 1 the log is damaged, in use or out of reach; 2 a bad command line, no log there, a file that exists.`
}

// backupContents is the value of --contents.
type backupContents backup.Contents

func (c *backupContents) UnmarshalText(b []byte) error {
	contents, err := backup.ParseContents(string(b))
	*c = backupContents(contents)
	return err
}

func (c *backupCmd) Run(ctx context.Context, p process) error {
	out, err := createFresh(c.File, p, true)
	if err != nil {
		return err
	}
	defer out.discard()
	m, err := c.take(ctx, p, out)
	if err == nil {
		err = out.keep()
	}
	if err != nil {
		return readerError(err)
	}
	report := p.Stdout
	if out.stdout {
		report = p.Stderr
	}
	return printManifest(report, m)
}

func (c *backupCmd) take(ctx context.Context, p process, out io.Writer) (m backup.Manifest, err error) {
	if c.URL != "" {
		return c.download(ctx, out)
	}
	r, err := openQuietly(ctx, &c.Log, &c.General, p, "backup")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	store, err := r.erasable(ctx)
	if err != nil {
		return m, err
	}
	base, err := baseOf(ctx, r.origin)
	if err != nil {
		return m, err
	}
	bar := newProgressBar(p.Stderr)
	defer bar.clear()
	return backup.Take(ctx, out, backup.Source{
		Last: r.journal.Last, Read: r.journal.Read, Base: base, Store: store, Master: r.Master, Now: time.Now(),
	}, backup.Contents(c.Contents), bar.at)
}

// download has a running server write the backup. What can be checked without
// the master key is.
func (c *backupCmd) download(ctx context.Context, out io.Writer) (m backup.Manifest, err error) {
	server, err := openRemote(c.URL, c.AdminFile)
	if err != nil {
		return m, err
	}
	if err := server.login(ctx); err != nil {
		return m, err
	}
	query := url.Values{"contents": {string(c.Contents)}}
	resp, err := server.ask(ctx, http.MethodGet, backups.Path+"?"+query.Encode())
	if err != nil {
		return m, err
	}
	defer resp.Body.Close()
	if err := refusal(resp); err != nil {
		return m, err
	}
	if m, err = backup.Scan(io.TeeReader(resp.Body, out)); err != nil {
		return m, fmt.Errorf("the backup did not arrive whole: %w", err)
	}
	return m, nil
}

func printManifest(w io.Writer, m backup.Manifest) error {
	_, err := fmt.Fprintf(w, "contents  %s\n", m.Contents)
	if err == nil && m.First > 1 {
		_, err = fmt.Fprintf(w, "first     %d\n", m.First)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "position  %d\nchain     %x\nroot      %s\nbytes     %d\nentries   %d\ncreated   %s\n",
			m.Position, m.Chain, m.Root, m.Bytes, m.Entries, m.Created.Format(time.RFC3339Nano))
	}
	if err == nil && m.Checkpoint != "" {
		_, err = fmt.Fprintf(w, "\n%s\n", m.Checkpoint)
	}
	return err
}
