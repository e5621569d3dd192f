package follow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/projections"
)

// A snapshot file is a magic and a stream that is sealed for the file's name:
// the chain before the last record that the state shows, and the state (in its
// canonical form, compressed with S2). So only who has the master key can make
// or read one, or give it another name. Names sort by position.
const (
	fileMagic     = "grantlog snapshot 2\n"
	namePattern   = "state-*.snapshot"
	nameFormat    = "state-%020d.snapshot"
	keptSnapshots = 2
)

// KeyPurpose derives Config.Key from the master key.
const KeyPurpose = "snapshots"

var errSnapshot = errors.New("follow: the snapshot does not verify")

// snapshotNames lists the snapshot files, newest first.
func snapshotNames(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, namePattern))
	slices.Sort(names)
	slices.Reverse(names)
	return names, err
}

// positionOf reads the position in a snapshot's name.
func positionOf(name string) events.Position { return positionIn(filepath.Base(name), nameFormat) }

// positionIn reads the position in a name of a form; 0: it is not of that form.
func positionIn(name, format string) (position events.Position) {
	if _, err := fmt.Sscanf(name, format, &position); err != nil || fmt.Sprintf(format, position) != name {
		return 0
	}
	return position
}

// loadSnapshot returns the newest state that verifies and the chain before its
// last record; nil if there is none. What does not verify is removed: the log
// has it all.
func loadSnapshot(dir string, key []byte, log *slog.Logger) (*projections.State, events.Chain) {
	names, err := snapshotNames(dir)
	if err != nil {
		log.Warn("snapshots cannot be listed; the log is replayed", "err", err)
	}
	for _, name := range names {
		state, previous, err := readSnapshot(name, filepath.Base(name), key)
		if err == nil {
			return state, previous
		}
		log.Warn("a snapshot is dropped", "file", filepath.Base(name), "err", err)
		if err := os.Remove(name); err != nil {
			log.Warn("it cannot be removed", "err", err)
		}
	}
	return nil, events.Chain{}
}

// readSnapshot reads a file that was written under a name.
func readSnapshot(path, name string, key []byte) (_ *projections.State, previous events.Chain, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, previous, err
	}
	defer file.Close()
	previous, packed, err := openSnapshot(file, name, key)
	if err != nil {
		return nil, previous, err
	}
	state, err := projections.Decode(packed)
	return state, previous, err
}

// openSnapshot reads up to the state.
func openSnapshot(file io.Reader, name string, key []byte) (previous events.Chain, state io.Reader, err error) {
	magic := make([]byte, len(fileMagic))
	if _, err := io.ReadFull(file, magic); err != nil || string(magic) != fileMagic {
		return previous, nil, errSnapshot
	}
	sealed, err := seal.OpenStream(file, key, name)
	if err != nil {
		return previous, nil, err
	}
	if _, err := io.ReadFull(sealed, previous[:]); err != nil {
		return previous, nil, err
	}
	return previous, s2.NewReader(sealed), nil
}

// saveSnapshot writes a snapshot and returns its size.
func saveSnapshot(ctx context.Context, dir string, key []byte, state *projections.Frozen, previous events.Chain) (int64, error) {
	name := fmt.Sprintf(nameFormat, state.Position)
	return writeSnapshot(ctx, dir, name, name, key, state, previous)
}

// writeSnapshot writes a file that is sealed for a name.
func writeSnapshot(ctx context.Context, dir, file, name string, key []byte, state *projections.Frozen, previous events.Chain) (int64, error) {
	return replaceFile(dir, file, func(w io.Writer) error {
		if _, err := io.WriteString(w, fileMagic); err != nil {
			return err
		}
		sealed, err := seal.SealStream(w, key, name)
		if err != nil {
			return err
		}
		if _, err := sealed.Write(previous[:]); err != nil {
			return err
		}
		// One goroutine: requests need the processors more.
		packed := s2.NewWriter(sealed, s2.WriterConcurrency(1))
		err = state.Encode(io.MultiWriter(packed, interrupter{ctx}))
		if err := errors.Join(err, packed.Close()); err != nil {
			return err
		}
		return sealed.Close()
	})
}

// dropSnapshots removes all but the newest.
func dropSnapshots(dir string, keep int) error {
	names, err := snapshotNames(dir)
	for _, name := range names[min(keep, len(names)):] {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// removeLeftovers removes files that a crash kept from being renamed.
func removeLeftovers(dir string) error { return removeUnfinished(dir, namePattern, watermarkName) }

func removeUnfinished(dir string, patterns ...string) error {
	var errs []error
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join(dir, pattern+unfinished))
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, os.Remove(name))
		}
	}
	return errors.Join(errs...)
}

// unfinished is how the names of files in the making end.
const unfinished = ".*.tmp"

// replaceFile makes a file appear whole or not at all, also after a crash.
func replaceFile(dir, name string, write func(io.Writer) error) (size int64, err error) {
	file, err := os.CreateTemp(dir, name+unfinished)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close(), os.Remove(file.Name()))
		}
	}()
	buffered := bufio.NewWriterSize(file, 256<<10)
	if err := errors.Join(write(buffered), buffered.Flush()); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if err := file.Sync(); err != nil {
		return 0, err
	}
	if err := os.Rename(file.Name(), filepath.Join(dir, name)); err != nil {
		return 0, err
	}
	return info.Size(), errors.Join(file.Close(), syncDir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// interrupter is a writer that fails when its context has ended.
type interrupter struct{ ctx context.Context }

func (i interrupter) Write(b []byte) (int, error) { return len(b), context.Cause(i.ctx) }
