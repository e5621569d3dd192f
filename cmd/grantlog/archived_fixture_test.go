package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
	"github.com/grantlog/grantlog/replay/backup"
)

// archive writes what a log holds up to a position to a file, and makes a
// directory of what remains: of the log that begins there.
func (s *scenario) archive(first events.Position) (later *scenario, file string) {
	s.t.Helper()
	p, _, _ := world(nil)
	r, err := openReading(s.t.Context(), &placeSettings{logSettings: logSettings{Data: s.data}}, &general{LogLevel: logLevel(slog.LevelError)}, p)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	file = filepath.Join(s.t.TempDir(), "archive")
	must(s.t, writeArchive(s.t, r, first, file))
	base := newBase(s.t, r, first)
	later = &scenario{t: s.t, data: filepath.Join(s.t.TempDir(), "data")}
	must(s.t, os.Mkdir(later.data, 0o700))
	for _, name := range []string{"master.key", "admin.json"} {
		text, err := os.ReadFile(filepath.Join(s.data, name))
		must(s.t, err)
		must(s.t, os.WriteFile(filepath.Join(later.data, name), text, 0o600))
	}
	site, err := openToServe(&serveSettings{Log: logSettings{Data: later.data}}, slog.New(slog.DiscardHandler))
	must(s.t, err)
	last, err := r.journal.Last(s.t.Context())
	must(s.t, err)
	cfg := journal.Config{Conn: site.Conn, MACKey: r.Master.Derive(purposeMAC), Replica: "r_archive"}
	must(s.t, journal.Restore(s.t.Context(), cfg, first, func(into *journal.Restoration) error {
		return r.journal.Read(s.t.Context(), replay.Before(r.records()), last, func(record *journal.Record) error {
			if record.Position < first {
				return nil
			}
			return into.Put(s.t.Context(), record)
		})
	}))
	must(s.t, follow.PutBase(s.t.Context(), site.Conn, 1, first, func(w io.Writer) error {
		_, err := w.Write(base)
		return err
	}))
	must(s.t, site.Close())
	return later, file
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writeArchive(t *testing.T, r *reading, last events.Position, name string) error {
	t.Helper()
	base, err := baseOf(t.Context(), r.origin)
	must(t, err)
	file, err := os.Create(name)
	must(t, err)
	_, err = backup.Take(t.Context(), file, backup.Source{
		Last: upTo(last), Read: r.journal.Read, Base: base, Master: r.Master, Now: time.Now(),
	}, backup.Log, nil)
	return errors.Join(err, file.Close())
}

// newBase makes the base of a log at a position.
func newBase(t *testing.T, r *reading, first events.Position) []byte {
	t.Helper()
	log := r.records()
	state, err := replay.Begin(t.Context(), log)
	must(t, err)
	_, err = replay.At(t.Context(), log, state, replay.Moment{Position: first}, nil)
	must(t, err)
	dir := t.TempDir()
	if r.origin != nil {
		dir = filepath.Join(dir, "tree")
		must(t, r.origin.Tree(t.Context(), dir))
	}
	leaves, err := tree.Open(dir, "log.example/oauth/log")
	must(t, err)
	defer leaves.Close()
	at := replay.Before(log)
	var previous events.Chain
	must(t, log.Read(t.Context(), at, first, func(record *journal.Record) error {
		previous, at = at.Chain, record.Cursor()
		if record.Position <= leaves.At().Position {
			return nil
		}
		return leaves.Append(tree.Leaf(record.Subject, record.Payload), record.Chain)
	}))
	must(t, leaves.Save())
	var base bytes.Buffer
	must(t, follow.WriteBase(&base, r.Master.Derive(follow.KeyPurpose), state.Freeze(), previous, dir))
	return base.Bytes()
}
