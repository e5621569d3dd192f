package backup_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/replay/backup"
)

// shortened is a log whose beginning was archived, on a server of its own.
type shortened struct {
	*original
	whole *original
	base  backup.Base
	kept  []byte // of the base, in whatever form
}

// newShortened makes a log of records and takes those before first away.
func newShortened(t *testing.T, records int, first events.Position) *shortened {
	t.Helper()
	s := &shortened{whole: newOriginal(t, records), kept: make([]byte, 2<<20+17)}
	if _, err := rand.Read(s.kept); err != nil {
		t.Fatal(err)
	}
	s.base.Copy = func(w io.Writer) error {
		_, err := w.Write(s.kept)
		return err
	}
	env := journaltest.New(t)
	cfg := journal.Config{Conn: env.Conn, MACKey: journaltest.MACKey(), Replica: "r_archive"}
	if err := journal.Restore(t.Context(), cfg, first, func(into *journal.Restoration) error {
		return s.whole.journal.Read(t.Context(), journal.Cursor{}, events.Position(records), func(r *journal.Record) error {
			if r.Position <= first {
				if err := s.base.Edge.Append(tree.Leaf(r.Subject, r.Payload)); err != nil {
					return err
				}
				s.base.Previous, s.base.Cursor = s.base.Cursor.Chain, r.Cursor()
			}
			if r.Position < first {
				return nil
			}
			return into.Put(t.Context(), r)
		})
	}); err != nil {
		t.Fatal(err)
	}
	s.original = &original{t, s.whole.master, env.Open(), s.whole.store}
	return s
}

func (s *shortened) source() backup.Source {
	source := s.original.source()
	source.Base = &s.base
	return source
}

func (s *shortened) take(contents backup.Contents) ([]byte, backup.Manifest) {
	s.t.Helper()
	var b bytes.Buffer
	m, err := backup.Take(s.t.Context(), &b, s.source(), contents, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return b.Bytes(), m
}

// A backup of a log whose beginning was archived holds what the log holds, and
// what it begins with; its root is that of the whole log.
func TestBackupOfALogWithoutItsBeginning(t *testing.T) {
	s := newShortened(t, 40, 13)
	b, m := s.take(backup.All)
	_, whole := s.whole.take(backup.All)
	if m.First != 13 || m.Position != 40 || m.Root != whole.Root || m.Chain != whole.Chain || m.Before != s.base.Previous {
		t.Errorf("%+v, of the whole log %+v", m, whole)
	}
	f, err := open(t, b, s.opener())
	if err != nil {
		t.Fatal(err)
	}
	var kept bytes.Buffer
	if err := f.CopyBase(&kept); err != nil || !bytes.Equal(kept.Bytes(), s.kept) {
		t.Errorf("%d bytes of the base, want %d: %v", kept.Len(), len(s.kept), err)
	}
	if got := entries(t, f); len(got) != 2 {
		t.Errorf("entries %q", got)
	}
	want := texts(t, s.whole.journal.Read, journal.Cursor{}, 40)
	first := journal.Cursor{Position: 12, Chain: s.base.Previous}
	for _, from := range []journal.Cursor{first, {Position: 12}, s.base.Cursor, {Position: 13}} {
		got := texts(t, f.Read, from, 40)
		if diff := cmp.Diff(want[from.Position:], got); from.Chain != (events.Chain{}) && diff != "" || len(got) != 40-int(from.Position) {
			t.Errorf("after %d: %s", from.Position, diff)
		}
	}
	read := func(from journal.Cursor) error {
		return f.Read(t.Context(), from, 40, func(*journal.Record) error { return nil })
	}
	var archived *journal.ArchivedError
	for _, at := range []events.Position{0, 1, 11} {
		if err := read(journal.Cursor{Position: at}); !errors.As(err, &archived) || archived.First != 13 {
			t.Errorf("after %d: %v", at, err)
		}
	}
	var damage *journal.DamageError
	for _, from := range []journal.Cursor{first, s.base.Cursor} {
		from.Chain[3] ^= 1
		if err := read(from); !errors.As(err, &damage) || damage.Position != from.Position {
			t.Errorf("after another log's %d: %v", from.Position, err)
		}
	}
	if scanned, err := backup.Scan(bytes.NewReader(b)); err != nil || scanned.First != 13 {
		t.Errorf("without a key: %+v, %v", scanned, err)
	}
	if b, m := s.take(backup.Keys); m.First != 0 || len(b) > 1<<20 {
		t.Errorf("keys alone: %d bytes, %+v", len(b), m)
	}
}

// A base that is not what the log begins with makes no backup.
func TestAnotherBase(t *testing.T) {
	s, other := newShortened(t, 20, 9), newShortened(t, 20, 9)
	elsewhere := newShortened(t, 20, 8)
	for name, base := range map[string]backup.Base{
		"another log's": other.base, "another position's": elsewhere.base,
		"a tree of another size": {Cursor: s.base.Cursor, Previous: s.base.Previous, Edge: elsewhere.base.Edge, Copy: s.base.Copy},
		"no position":            {Copy: s.base.Copy},
	} {
		source := s.source()
		source.Base = &base
		if m, err := backup.Take(t.Context(), io.Discard, source, backup.Log, nil); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// However such a backup is changed or cut, it is not opened.
func TestDamageOfABase(t *testing.T) {
	s := newShortened(t, 6, 4)
	s.kept = s.kept[:300]
	b, _ := s.take(backup.All)
	for n := 0; n < len(b); n += 1 + len(b)/97 {
		for what, bad := range map[string][]byte{"cut": b[:n], "flipped": flip(b, n)} {
			if _, err := open(t, bad, s.opener()); err == nil {
				t.Fatalf("%s at byte %d of %d: opened", what, n, len(b))
			}
		}
	}
	plain := bytes.Replace(b, []byte("backup 2\n"), []byte("backup 1\n"), 1)
	if _, err := open(t, plain, s.opener()); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("as one of format 1: %v", err)
	}
}

func flip(b []byte, n int) []byte {
	b = slices.Clone(b)
	b[n] ^= 1 << (n % 8)
	return b
}

// A backup of a log from its beginning is of the form that older versions read.
func TestPlainFormatIsKept(t *testing.T) {
	b, _ := newOriginal(t, 2).take(backup.All)
	if !bytes.HasPrefix(b, []byte("grantlog backup 1\n")) || bytes.Contains(b, []byte(`"first"`)) {
		t.Errorf("%.40q", b)
	}
}

// What a source of some length is asked for ends there: an archive is a backup
// up to a position.
func TestBackupUpToAPosition(t *testing.T) {
	s := newShortened(t, 30, 9)
	source := s.source()
	source.Last = func(context.Context) (events.Position, error) { return 21, nil }
	source.Now = time.Now()
	var b bytes.Buffer
	m, err := backup.Take(t.Context(), &b, source, backup.Log, nil)
	if err != nil || m.First != 9 || m.Position != 21 || fmt.Sprint(m.Contents) != "log" {
		t.Errorf("%+v, %v", m, err)
	}
}
