package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
	"github.com/grantlog/grantlog/replay/backup"
)

// opened is a backup that was found whole and authentic.
type opened struct {
	master seal.Master
	log    *backup.File
	keys   *backup.File // where the entries come from: log or another one

	records replay.Log // of log, with what it begins with
	done    func() error
}

// openBackup opens a backup with the master key of the settings. keys names
// another one to take the entries from; empty: there is none.
func openBackup(ctx context.Context, c *logSettings, log, keys string) (o *opened, err error) {
	master, err := loadMaster(c)
	if err != nil {
		return nil, fmt.Errorf("a backup is opened with the master key that it was made under: %w", err)
	}
	opener := openerOf(master)
	o = &opened{master: master}
	if o.log, err = backup.Open(log, opener); err != nil {
		return nil, fmt.Errorf("%s: %w", log, err)
	}
	if o.records, o.done, err = recordsOf(ctx, o.log, master); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", log, err), o.log.Close())
	}
	o.keys = o.log
	if keys != "" {
		if o.keys, err = backup.Open(keys, opener); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", keys, err), o.done(), o.log.Close())
		}
	}
	return o, nil
}

// read reads everything and returns the state that it comes to.
func (o *opened) read(ctx context.Context, p process) (*projections.State, error) {
	bar := newProgressBar(p.Stderr)
	defer bar.clear()
	state, err := replay.Begin(ctx, o.records)
	if err != nil {
		return nil, err
	}
	past, err := replay.At(ctx, o.records, state, replay.Moment{}, bar.at)
	if err != nil {
		return nil, err
	}
	return past.State, o.checkEntries()
}

// kept is what the manifest says of the records.
func (o *opened) kept() replay.Kept {
	m := o.log.Manifest()
	return replay.Kept{Heads: []tree.Head{{Size: int64(m.Position), Root: m.Root}}}
}

// checkEntries makes sure that every entry opens.
func (o *opened) checkEntries() error {
	return o.keys.Entries(func(erasable.Entry) error { return nil })
}

func (o *opened) close() error {
	err := errors.Join(o.done(), o.log.Close())
	if o.keys != o.log {
		err = errors.Join(err, o.keys.Close())
	}
	return err
}

// backupError tells mistakes of whoever names a backup from one that is no good.
func backupError(err error) error {
	var unknown *events.UnknownTypeError
	var gap *journal.GapError
	var damage *journal.DamageError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("the backup was written by a newer grantlog than this one: %w", err)
	case errors.Is(err, backup.ErrForeign), errors.Is(err, fs.ErrNotExist):
		return &usageError{err}
	case errors.As(err, &gap), errors.As(err, &damage):
		return fmt.Errorf("the backup is damaged: %w", err)
	}
	return err
}
