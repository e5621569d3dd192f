package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// archiveCmd is "grantlog archive".
type archiveCmd struct {
	General general       `embed:""`
	Log     placeSettings `embed:""`

	Before string `argv:"" placeholder:"T" help:"Archive what is before this moment: a position of the log or a time such as 2026-01-02T15:04:05Z."`
	Out    string `argv:"" placeholder:"FILE" help:"Archive to write, which must not exist."`
	Finish bool   `argv:"" help:"Complete what was broken off."`
	Renew  bool   `argv:"" help:"Make what the log begins with anew from all of its archives (--archive): it was lost, or another version wrote it."`

	Archives archiveSettings `embed:""`
}

// Help is shown below the usage line.
func (*archiveCmd) Help() string {
	return `The oldest records go into a file, and the log goes on without them: with the same positions, the same state, live tokens and proofs. The log is verified first, and the file after it was written; the log keeps its hash (log.archived). Keep the file: what was true before is asked with --archive FILE, and whoever verifies all of the log needs it. It holds what the log holds, and no keys of personal data.

The data directory must not be in use. Servers on --nats should be stopped, and answer 503 to writes meanwhile if they run; the members of a cluster (--cluster-name) run, and do so. There must be room for the records that stay, once more, and for the file. If it is broken off, nobody can use the log until "grantlog archive --finish" has completed it.

Exit codes: 0 archived; 1 the log is damaged, in use or out of reach; 2 a bad command line, no log there, nothing to archive, a file that exists.`
}

func (c *archiveCmd) Run(ctx context.Context, p process) error {
	if err := c.check(); err != nil {
		return &usageError{err}
	}
	switch {
	case c.Finish:
		return c.roomError(readerError(c.finish(ctx, p)))
	case c.Renew:
		return c.roomError(readerError(c.renew(ctx, p)))
	}
	out, err := createFresh(c.Out, p, true)
	if err != nil {
		return err
	}
	defer out.discard()
	w, err := c.openWorkshop(ctx, p)
	if err != nil {
		return readerError(err)
	}
	done, err := c.archive(ctx, w, out)
	if err = errors.Join(err, w.close()); err != nil {
		return c.roomError(readerError(err))
	}
	return done.print(p.Stdout)
}

// roomError says of an error of an embedded log that its disk is full, if it is:
// all that NATS says is that it did not answer.
func (c *archiveCmd) roomError(err error) error {
	if err == nil || c.Log.live() || !holdsLog(c.Log.Data) || hasRoom(c.Log.Data) {
		return err
	}
	return fmt.Errorf("%w; the disk of %s is full: make room, and try again", err, c.Log.Data)
}

func (c *archiveCmd) check() error {
	switch {
	case (c.Finish || c.Renew) && (c.Before != "" || c.Out != "") || c.Finish && c.Renew:
		return errors.New("--finish and --renew go without --before and --out, and without each other")
	case c.Renew != (len(c.Archives.Archive) > 0):
		return errors.New("--renew and --archive go together")
	case c.Finish, c.Renew:
		return c.Log.check()
	case c.Before == "":
		return errors.New("--before says what to archive: give a moment, or --finish")
	case c.Out == "" || c.Out == "-":
		return errors.New("--out names the file to write")
	}
	return c.Log.check()
}

// archived says what was done.
type archived struct {
	from, through, last events.Position
	until               time.Time // of the last archived event
	file, sum           string
	bytes               int64 // of the file
	before, after       int64 // bytes of the store
}

// archive does it all. What fails before the log is rolled over leaves the log
// as it is.
func (c *archiveCmd) archive(ctx context.Context, w *workshop, out *freshFile) (done archived, err error) {
	if done.before, err = w.stored(ctx); err != nil {
		return done, err
	}
	s, err := c.survey(ctx, w)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.write(ctx, out); err != nil {
		return done, err
	}
	file, err := s.check(ctx, c.Out)
	if err != nil {
		return done, fmt.Errorf("%s, which was written, is not good: %w", c.Out, err)
	}
	if err := s.putBase(ctx); err != nil {
		return done, err
	}
	if done.last, err = w.tell(ctx, s, file); err != nil {
		return done, err
	}
	if err := w.rollOver(ctx, s.before, s.at()); err != nil {
		return done, err
	}
	done.from, done.through, done.until = s.first, s.state.Position, s.state.Time
	done.file, done.sum, done.bytes = c.Out, file.sum, file.bytes
	done.after, err = w.stored(ctx)
	return done, err
}

// finish completes a roll-over that was broken off.
func (c *archiveCmd) finish(ctx context.Context, p process) (err error) {
	w, err := c.openRuins(ctx, p)
	if err != nil {
		return err
	}
	first, err := w.finish(ctx)
	if err = errors.Join(err, w.close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, "the log begins at position %d\n", first)
	return err
}

// finish completes the roll-over to what the base is of.
func (w *workshop) finish(ctx context.Context) (first events.Position, err error) {
	if w.embedded == nil {
		first, err = journal.Archiving(ctx, w.config())
	} else if first, err = readArchiving(w.dir.path); err == nil && first != 0 {
		err = w.clear(ctx)
	}
	if err == nil && first == 0 {
		err = &usageError{errors.New("nothing was broken off there")}
	}
	if err != nil {
		return 0, err
	}
	base, err := w.openBase(ctx, first)
	if err != nil {
		return 0, err
	}
	before := journal.Cursor{Position: first - 1, Chain: base.Previous()}
	return first, w.rollOver(ctx, before, base.Cursor())
}

func (a *archived) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "archived  %d to %d, until %s\nfile      %s\nbytes     %d\nsha256    %s\nlog       %d to %d\nstored    %d bytes, before %d\n",
		a.from, a.through, a.until.Format(time.RFC3339Nano), a.file, a.bytes, a.sum, a.through, a.last, a.after, a.before)
	return err
}
