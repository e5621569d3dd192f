package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
	"github.com/grantlog/grantlog/replay/backup"
)

// archiveSettings name what a log was before.
type archiveSettings struct {
	Archive []string `argv:"" sep:"none" placeholder:"FILE" help:"What was archived of the log: it is read as one with the log. May be repeated."`
}

// archives are opened files of a log's past.
type archives struct {
	parts []replay.Part
	files []archivedFile
	close []func() error
}

// archivedFile is an archive as the log may tell of it.
type archivedFile struct {
	name        string
	first, last events.Position
}

// open opens the files, with the master key that they were written under.
func (c *archiveSettings) open(ctx context.Context, master seal.Master) (*archives, error) {
	a := &archives{}
	for _, name := range c.Archive {
		if err := a.add(ctx, master, name); err != nil {
			return nil, errors.Join(backupError(fmt.Errorf("%s: %w", name, err)), a.Close())
		}
	}
	return a, nil
}

func (a *archives) add(ctx context.Context, master seal.Master, name string) error {
	file, err := backup.Open(name, openerOf(master))
	if err != nil {
		return err
	}
	a.close = append(a.close, file.Close)
	if file.Manifest().Position == 0 {
		return &usageError{errors.New("it holds no records of a log")}
	}
	log, done, err := recordsOf(ctx, file, master)
	if err != nil {
		return err
	}
	a.close = append(a.close, done)
	a.files = append(a.files, archivedFile{name, max(1, file.Manifest().First), file.Manifest().Position})
	a.parts = append(a.parts, replay.Part{Log: log, Name: name, End: file.End()})
	return nil
}

// join reads the archives and a log as one.
func (a *archives) join(ctx context.Context, log replay.Log) (replay.Log, error) {
	if len(a.parts) == 0 {
		return log, nil
	}
	joined, err := replay.Join(ctx, append(a.parts[:len(a.parts):len(a.parts)], replay.Part{Log: log, Name: "the log"})...)
	var apart *replay.PartsError
	if errors.As(err, &apart) {
		err = &usageError{fmt.Errorf("--archive: %w", err)}
	}
	return joined, err
}

// recognize finds in what a log tells of its archives the one that a file is;
// nil: the log does not tell of one with these records. A file in its place with
// the same records and other bytes is an error.
func (f archivedFile) recognize(told []*projections.Archive) (*projections.Archive, error) {
	told = slices.DeleteFunc(slices.Clone(told), func(a *projections.Archive) bool { return a.From != f.first || a.Through != f.last })
	if len(told) == 0 {
		return nil, nil
	}
	sum, err := hashFile(f.name)
	if err != nil {
		return nil, err
	}
	for _, a := range told {
		if a.SHA256 == sum {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%s is not the file that the log tells of: its SHA-256 is %s, and %s was recorded at position %d",
		f.name, sum, told[len(told)-1].SHA256, told[len(told)-1].Position)
}

// recognized says of which files a log tells.
func recognized(files []archivedFile, told []*projections.Archive) (lines string, err error) {
	for _, f := range files {
		a, err := f.recognize(told)
		if err != nil {
			return "", err
		}
		if a != nil {
			lines += fmt.Sprintf("%s is the archive of records %d to %d that was recorded at position %d\n", f.name, f.first, f.last, a.Position)
		}
	}
	return lines, nil
}

// hashFile is the SHA-256 of a file, in hexadecimal digits.
func hashFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Close closes the files.
func (a *archives) Close() error {
	var errs []error
	for i := len(a.close) - 1; i >= 0; i-- {
		errs = append(errs, a.close[i]())
	}
	return errors.Join(errs...)
}

func openerOf(master seal.Master) backup.Opener {
	return backup.Opener{Master: master, RecordKey: master.Derive(purposeMAC)}
}

// recordsOf is the log in a file, with what it begins with. done removes what
// reading it laid down.
func recordsOf(ctx context.Context, file *backup.File, master seal.Master) (log replay.Log, done func() error, err error) {
	first := file.Manifest().First
	if first <= 1 {
		return file, func() error { return nil }, nil
	}
	base, err := follow.NewBase(ctx, master.Derive(follow.KeyPurpose), first, func(context.Context) (io.ReadCloser, error) {
		return readBase(file), nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", backup.ErrDamaged, err)
	}
	origin := replay.NewBased(base)
	return replay.From(file, origin), origin.Close, nil
}

// readBase reads the base in a file. Nobody else may read the file until it is
// closed.
func readBase(file *backup.File) io.ReadCloser {
	r, w := io.Pipe()
	p := basePipe{r, make(chan struct{})}
	go func() {
		defer close(p.done)
		w.CloseWithError(file.CopyBase(w))
	}()
	return p
}

type basePipe struct {
	*io.PipeReader
	done chan struct{} // closed when the file is not read any more
}

func (p basePipe) Close() error {
	err := p.PipeReader.Close()
	<-p.done
	return err
}

// baseOf is what a backup holds of what a log begins with; nil: that is its
// first record.
func baseOf(ctx context.Context, origin *replay.Based) (*backup.Base, error) {
	if origin == nil {
		return nil, nil
	}
	return backup.BaseOf(ctx, origin)
}

// archivedError says what to do about a question about what was archived.
func archivedError(first events.Position) error {
	return &usageError{fmt.Errorf("the log before position %d was archived: give what was archived with --archive FILE", first)}
}

// asArchived reports an error that an archive would help with.
func asArchived(err error) (first events.Position, ok bool) {
	var archived *journal.ArchivedError
	if errors.As(err, &archived) {
		return archived.First, true
	}
	return 0, false
}
