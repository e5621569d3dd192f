package backup

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
)

// File is a backup that was found whole and authentic. It is read as a log is:
// see replay.Log. It is safe for concurrent use.
type File struct {
	file     *os.File
	with     Opener
	manifest Manifest
}

// Open reads a whole backup and authenticates it. The errors are ErrForeign,
// ErrDamaged, ErrWrongKey, *NewerError, and those of the file.
func Open(name string, with Opener) (*File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	f := &File{file: file, with: with}
	r, err := newReader(file)
	if err == nil {
		f.manifest, err = r.scan(with.Master.Derive(Purpose))
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Manifest is what the backup says that it holds.
func (f *File) Manifest() Manifest { return f.manifest }

// Last is the position of the last record.
func (f *File) Last(context.Context) (events.Position, error) { return f.manifest.Position, nil }

// End stands after the last record.
func (f *File) End() journal.Cursor {
	return journal.Cursor{Position: f.manifest.Position, Chain: f.manifest.Chain}
}

// Read gives fn the records after from up to and including position to. They
// are verified as journal.Journal.Read does, from the first one on.
func (f *File) Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error {
	at := f.before()
	switch {
	case to <= from.Position:
		return nil
	case from.Position < at.Position:
		return &journal.ArchivedError{First: f.manifest.First}
	case from.Position == at.Position && from.Chain != (events.Chain{}) && from.Chain != at.Chain:
		return &journal.DamageError{Position: from.Position, Reason: reasonAnother}
	}
	verifier := journal.NewVerifier(f.with.RecordKey, at)
	err := f.sections(sectionRecord, func(body []byte, _ *seal.Sealer) error {
		if at.Position >= to {
			return io.EOF
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		m, ok := parseRecord(body)
		if !ok {
			return damaged("a record cannot be read")
		}
		r, err := verifier.Next(m)
		if err != nil {
			return err
		}
		at = r.Cursor()
		switch {
		case r.Position < from.Position:
			return nil
		case r.Position == from.Position:
			if from.Chain != (events.Chain{}) && from.Chain != r.Chain {
				return &journal.DamageError{Position: r.Position, Reason: reasonAnother}
			}
			return nil
		}
		return fn(r)
	})
	if err == nil && at.Position < to {
		err = &journal.GapError{Want: to, Got: at.Position}
	}
	return err
}

const reasonAnother = "it is another log before that position"

// before stands before the first record.
func (f *File) before() journal.Cursor {
	if f.manifest.First <= 1 {
		return journal.Cursor{}
	}
	return journal.Cursor{Position: f.manifest.First - 1, Chain: f.manifest.Before}
}

// Entries gives fn what stood beside the log.
func (f *File) Entries(fn func(erasable.Entry) error) error {
	return f.sections(sectionEntry, func(body []byte, sealer *seal.Sealer) error {
		plain, err := sealer.Unseal(sealed, body)
		key, value, ok := cutText(plain)
		if err != nil || !ok {
			return damaged("an entry cannot be opened")
		}
		return fn(erasable.Entry{Key: key, Value: value})
	})
}

// sections gives fn the sections of a kind until it returns an error; io.EOF
// ends the reading without one.
func (f *File) sections(kind byte, fn func(body []byte, sealer *seal.Sealer) error) error {
	r, err := newReader(io.NewSectionReader(f.file, 0, math.MaxInt64))
	if err != nil {
		return err
	}
	var sealer *seal.Sealer
	for {
		found, body, err := r.next()
		if err != nil {
			return err
		}
		if found == sectionHead {
			var h head
			if json.Unmarshal(body, &h) != nil {
				return damaged("its head cannot be read")
			}
			if sealer, err = f.with.Master.OpenDataKey(dataKey, h.DataKey); err != nil {
				return err
			}
		}
		if place(found) > place(kind) {
			return nil
		}
		if found != kind {
			continue
		}
		if err := fn(body, sealer); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// parseRecord reads what writer.record wrote. Nothing of body is kept: readers
// work on several records at once.
func parseRecord(body []byte) (m journal.Message, ok bool) {
	position, n := binary.Uvarint(body)
	if n <= 0 {
		return m, false
	}
	m.Position = events.Position(position)
	if m.MAC, body, ok = cutText(body[n:]); ok {
		m.Subject, body, ok = cutText(body)
		m.Payload = slices.Clone(body)
	}
	return m, ok
}
