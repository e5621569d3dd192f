package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/replay/backup"
)

// original is a log with entries beside it.
type original struct {
	t       *testing.T
	master  seal.Master
	journal *journal.Journal
	store   *erasable.Store
}

func newOriginal(t *testing.T, records int) *original {
	t.Helper()
	env := journaltest.New(t)
	store, err := erasable.Open(t.Context(), erasable.Config{Conn: env.Conn})
	if err != nil {
		t.Fatal(err)
	}
	o := &original{t, seal.NewMaster(), env.Open(), store}
	for i := range records {
		o.append(fmt.Sprint("record ", i))
	}
	o.put("key.somebody", "wrapped key of somebody")
	o.put("mail.hash.handle", "")
	o.put("salt.20000", "a salt")
	return o
}

func (o *original) append(nonce string) events.Position {
	o.t.Helper()
	at, err := o.journal.Append(o.t.Context(), events.BeaconsSubject(), &events.Event{
		ID: events.NewID("e_"), Time: time.Now().UTC().Truncate(time.Microsecond), Data: &events.BeaconSent{Nonce: nonce},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return at
}

func (o *original) put(key, value string) {
	o.t.Helper()
	if err := o.store.Put(o.t.Context(), key, []byte(value)); err != nil {
		o.t.Fatal(err)
	}
}

func (o *original) source() backup.Source {
	return backup.Source{Last: o.journal.Last, Read: o.journal.Read, Store: o.store, Master: o.master, Now: time.Now()}
}

// take returns a backup.
func (o *original) take(contents backup.Contents) ([]byte, backup.Manifest) {
	o.t.Helper()
	var b bytes.Buffer
	m, err := backup.Take(o.t.Context(), &b, o.source(), contents, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return b.Bytes(), m
}

func (o *original) opener() backup.Opener {
	return backup.Opener{Master: o.master, RecordKey: journaltest.MACKey()}
}

// open opens a backup as a file.
func open(t *testing.T, b []byte, with backup.Opener) (*backup.File, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := backup.Open(name, with)
	if err == nil {
		t.Cleanup(func() { f.Close() })
	}
	return f, err
}

// texts lists the records of a log in words.
func texts(t *testing.T, read func(context.Context, journal.Cursor, events.Position, func(*journal.Record) error) error, from journal.Cursor, to events.Position) (found []string) {
	t.Helper()
	err := read(t.Context(), from, to, func(r *journal.Record) error {
		found = append(found, fmt.Sprintf("%d %s %s %x %s", r.Position, r.Subject, r.MAC, r.Chain, r.Payload))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func entries(t *testing.T, f *backup.File) (found []string) {
	t.Helper()
	if err := f.Entries(func(e erasable.Entry) error {
		found = append(found, e.Key+"="+string(e.Value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// What a backup holds is what the log held, and reads as the log does.
func TestBackupIsTheLog(t *testing.T) {
	o := newOriginal(t, 40)
	b, m := o.take(backup.All)
	f, err := open(t, b, o.opener())
	if err != nil {
		t.Fatal(err)
	}
	if last, _ := f.Last(t.Context()); m.Position != 40 || last != 40 || f.Manifest().Chain != m.Chain {
		t.Errorf("%+v, read as %+v", m, f.Manifest())
	}
	want := texts(t, o.journal.Read, journal.Cursor{}, 40)
	if diff := cmp.Diff(want, texts(t, f.Read, journal.Cursor{}, 40)); diff != "" {
		t.Error(diff)
	}
	var middle journal.Cursor
	if err := f.Read(t.Context(), journal.Cursor{}, 17, func(r *journal.Record) error { middle = r.Cursor(); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[17:30], texts(t, f.Read, middle, 30)); diff != "" {
		t.Errorf("from the middle: %s", diff)
	}
	var gap *journal.GapError
	if err := f.Read(t.Context(), journal.Cursor{}, 41, func(*journal.Record) error { return nil }); !errors.As(err, &gap) {
		t.Errorf("past the end: %v", err)
	}
	var damage *journal.DamageError
	middle.Chain[0] ^= 1
	if err := f.Read(t.Context(), middle, 30, func(*journal.Record) error { return nil }); !errors.As(err, &damage) {
		t.Errorf("after another log's cursor: %v", err)
	}
	if got := entries(t, f); !slices.Equal(got, []string{"key.somebody=wrapped key of somebody", "mail.hash.handle="}) {
		t.Errorf("entries %q", got)
	}
	var edge tree.Edge
	if err := f.Read(t.Context(), journal.Cursor{}, 40, func(r *journal.Record) error { return edge.Append(tree.Leaf(r.Subject, r.Payload)) }); err != nil {
		t.Fatal(err)
	}
	if head, err := edge.Head(); err != nil || head.Root != f.Manifest().Root {
		t.Errorf("root %v, in the manifest %v, %v", head.Root, f.Manifest().Root, err)
	}
	if scanned, err := backup.Scan(bytes.NewReader(b)); err != nil || scanned.Position != 40 {
		t.Errorf("without a key: %+v, %v", scanned, err)
	}
	for _, hidden := range []string{"somebody", "handle", "wrapped key", "a salt"} {
		if bytes.Contains(b, []byte(hidden)) {
			t.Errorf("%q stands in the backup", hidden)
		}
	}
}

// A backup of the log alone has no keys; one of the keys has no records.
func TestContents(t *testing.T) {
	o := newOriginal(t, 3)
	for contents, want := range map[backup.Contents]string{backup.Log: "3 0", backup.Keys: "0 2", backup.All: "3 2"} {
		b, m := o.take(contents)
		f, err := open(t, b, o.opener())
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(f.Manifest().Position, len(entries(t, f))); got != want || m.Contents != contents {
			t.Errorf("%s: records and entries %s, want %s", contents, got, want)
		}
	}
	if _, err := backup.ParseContents("everything"); err == nil {
		t.Error("everything is no contents")
	}
}

// However a backup is changed or cut, it is not opened, with and without a key.
func TestDamage(t *testing.T) {
	o := newOriginal(t, 12)
	b, _ := o.take(backup.All)
	refused := func(what string, b []byte) {
		t.Helper()
		if _, err := open(t, b, o.opener()); !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrForeign) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := backup.Scan(bytes.NewReader(b)); err == nil && !strings.HasPrefix(what, "authentication") {
			t.Errorf("%s is not noticed without a key", what)
		}
	}
	for n := 0; n < len(b); n += 1 + len(b)/97 {
		refused(fmt.Sprintf("cut to %d of %d bytes", n, len(b)), b[:n])
		flipped := slices.Clone(b)
		flipped[n] ^= 1 << (n % 8)
		if n == len("grantlog backup ") {
			continue // another version
		}
		refused(fmt.Sprintf("a bit of byte %d flipped", n), flipped)
	}
	refused("something after the end", append(slices.Clone(b), 0))
	refused("twice", append(slices.Clone(b), b...))
	refused("nothing", nil)
	refused("another file", []byte("#!/bin/sh\necho no backup\n"))
}

func TestAnotherKeyAndNewerFormat(t *testing.T) {
	o := newOriginal(t, 2)
	b, _ := o.take(backup.All)
	if _, err := open(t, b, backup.Opener{Master: seal.NewMaster(), RecordKey: journaltest.MACKey()}); !errors.Is(err, backup.ErrWrongKey) {
		t.Errorf("another master key: %v", err)
	}
	var newer *backup.NewerError
	if _, err := open(t, bytes.Replace(b, []byte("backup 1\n"), []byte("backup 3\n"), 1), o.opener()); !errors.As(err, &newer) || newer.Version != 3 {
		t.Errorf("a newer format: %v", err)
	}
	f, err := open(t, b, backup.Opener{Master: o.master, RecordKey: bytes.Repeat([]byte{8}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	var damage *journal.DamageError
	if err := f.Read(t.Context(), journal.Cursor{}, 2, func(*journal.Record) error { return nil }); !errors.As(err, &damage) {
		t.Errorf("records of another writer: %v", err)
	}
}

// While records and entries come, a backup has everything that was
// acknowledged before it was begun, and an entry for every record that needs
// one: they are written first.
func TestWhileTheLogGoesOn(t *testing.T) {
	o := newOriginal(t, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			name := fmt.Sprintf("u%d", i)
			if o.store.Put(ctx, "key."+name, []byte(name)) == nil {
				o.append(name)
			}
		}
	}()
	for range 5 {
		before := o.append("before")
		b, m := o.take(backup.All)
		if m.Position < before {
			t.Errorf("the backup ends at %d, and %d was acknowledged before", m.Position, before)
		}
		f, err := open(t, b, o.opener())
		if err != nil {
			t.Fatal(err)
		}
		kept := entries(t, f)
		for _, record := range texts(t, f.Read, journal.Cursor{}, m.Position) {
			if _, after, ok := strings.Cut(record, `"nonce":"u`); ok {
				name := "u" + after[:strings.IndexByte(after, '"')]
				if !slices.Contains(kept, "key."+name+"="+name) {
					t.Fatalf("a record of %s, and no entry", name)
				}
			}
		}
	}
	cancel()
	<-done
}
