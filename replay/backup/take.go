package backup

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/events/tree"
)

// Source is what a backup is taken of. It may go on meanwhile.
type Source struct {
	// Last and Read are those of journal.Journal.
	Last func(ctx context.Context) (events.Position, error)
	Read func(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error
	// Base is what the log begins with; nil: with position 1.
	Base   *Base
	Store  *erasable.Store // nil: there are no entries
	Master seal.Master
	// Sign makes a checkpoint; nil: the backup has none.
	Sign func(tree.Head) ([]byte, error)
	Now  time.Time
}

const (
	// settled is how often the entries are read in the hope that none comes or
	// goes meanwhile.
	settled = 5
	// passing are the entries that are in no backup: salts of failed logins,
	// which are to be gone after a day. Without them logins are counted anew.
	passing = "salt."
)

// Take writes a backup of everything that is acknowledged when it is called, or
// later. progress is told how far it is; it may be nil.
//
// Entries stand in no order with records. They are read last, and again while
// any came or went with the last records that are taken. Where that does not
// end, what was erased in the moments between is missing: never more than what
// somebody wanted to be forgotten.
func Take(ctx context.Context, w io.Writer, src Source, contents Contents, progress func(at, last events.Position)) (Manifest, error) {
	if contents == Keys {
		src.Base = nil
	}
	b, err := newWriter(w, src.Master, Manifest{Created: src.Now.UTC(), Contents: contents}, src.Base)
	if err != nil {
		return Manifest{}, err
	}
	t := taking{src: src, writer: b, progress: progress}
	if src.Base != nil {
		t.at = src.Base.before()
	}
	if err := t.run(ctx, contents); err != nil {
		return Manifest{}, err
	}
	if err := b.conclude(src.Sign); err != nil {
		return Manifest{}, err
	}
	return b.manifest, b.close()
}

type taking struct {
	src      Source
	writer   *writer
	at       journal.Cursor
	progress func(at, last events.Position)
}

func (t *taking) run(ctx context.Context, contents Contents) error {
	if contents != Keys {
		last, err := t.src.Last(ctx)
		if err != nil {
			return err
		}
		if err := t.records(ctx, last); err != nil || contents == Log {
			return err
		}
	}
	if t.src.Store == nil {
		return nil
	}
	last, entries, err := t.settle(ctx)
	if err != nil {
		return err
	}
	if contents == All {
		if err := t.records(ctx, last); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := t.writer.entry(e); err != nil {
			return err
		}
	}
	return nil
}

// records writes those up to a position that were not written yet.
func (t *taking) records(ctx context.Context, last events.Position) error {
	return t.src.Read(ctx, t.at, last, func(r *journal.Record) error {
		if err := t.src.Base.recognize(r); err != nil {
			return err
		}
		t.at = r.Cursor()
		if t.progress != nil {
			t.progress(r.Position, last)
		}
		return t.writer.record(r)
	})
}

// settle returns a position and the entries that stand beside it.
func (t *taking) settle(ctx context.Context) (last events.Position, entries []erasable.Entry, err error) {
	for range settled {
		before, err := t.src.Store.Revision(ctx)
		if err != nil {
			return 0, nil, err
		}
		if last, err = t.src.Last(ctx); err != nil {
			return 0, nil, err
		}
		if entries, err = t.entries(ctx); err != nil {
			return 0, nil, err
		}
		after, err := t.src.Store.Revision(ctx)
		if err != nil || after == before {
			return last, entries, err
		}
	}
	return last, entries, nil
}

func (t *taking) entries(ctx context.Context) (entries []erasable.Entry, err error) {
	err = t.src.Store.All(ctx, func(e erasable.Entry) error {
		if !strings.HasPrefix(e.Key, passing) {
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}
