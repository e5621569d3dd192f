package follow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// archive is a log of organizations o1, o2, …, and what is needed to go on
// without its beginning.
type archive struct {
	*replica
	env   *journaltest.Env
	base  []byte          // that follow.WriteBase wrote
	first events.Position // of what goes on
	state [32]byte        // hash of the state there
	head  tree.Head       // of the tree there
	at    journal.Cursor
}

// newArchive writes so many records, and makes a base of those up to first.
func newArchive(t testing.TB, first, records int) *archive {
	t.Helper()
	env := journaltest.New(t)
	a := &archive{replica: newReplica(t, env), env: env, first: events.Position(first)}
	f := a.start()
	var frozen *projections.Frozen
	for i := 1; i <= records; i++ {
		at := a.write(fmt.Sprint("o", i))
		if i == first {
			await(t, f, at)
			f.View(func(s *projections.State) { frozen, a.state = s.Freeze(), s.Hash() })
		}
	}
	dir := t.TempDir()
	leaves, err := tree.Open(dir, "log.example/oauth/log")
	if err != nil {
		t.Fatal(err)
	}
	defer leaves.Close()
	var previous events.Chain
	if err := a.Read(t.Context(), journal.Cursor{}, a.first, func(r *journal.Record) error {
		previous, a.at = a.at.Chain, r.Cursor()
		return leaves.Append(tree.Leaf(r.Subject, r.Payload), r.Chain)
	}); err != nil {
		t.Fatal(err)
	}
	var base bytes.Buffer
	a.head, err = leaves.Head()
	if err = errors.Join(err, leaves.Save(), follow.WriteBase(&base, a.config.Key, frozen, previous, dir)); err != nil {
		t.Fatal(err)
	}
	a.base = base.Bytes()
	return a
}

// goOn makes the log that begins with the last archived record, and its base,
// on a server of its own.
func (a *archive) goOn() *journaltest.Env {
	a.t.Helper()
	env := journaltest.New(a.t)
	last, err := a.Last(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	cfg := journal.Config{Conn: env.Conn, MACKey: journaltest.MACKey(), Replica: "r_archive"}
	if err := journal.Restore(a.t.Context(), cfg, a.first, func(into *journal.Restoration) error {
		return a.Read(a.t.Context(), journal.Cursor{Position: a.first - 1}, last, func(r *journal.Record) error { return into.Put(a.t.Context(), r) })
	}); err != nil {
		a.t.Fatal(err)
	}
	a.putBase(env, a.first, a.base)
	return env
}

func (a *archive) putBase(env *journaltest.Env, first events.Position, base []byte) {
	a.t.Helper()
	if err := follow.PutBase(a.t.Context(), env.Conn, 1, first, func(w io.Writer) error {
		_, err := w.Write(base)
		return err
	}); err != nil {
		a.t.Fatal(err)
	}
}

// A base is read as it was written: state, tree and where it stands.
func TestBase(t *testing.T) {
	a := newArchive(t, 300, 301)
	env := journaltest.New(t)
	if _, err := follow.OpenBase(t.Context(), env.Conn, a.config.Key, 300); !errors.Is(err, follow.ErrNoBase) {
		t.Fatalf("where there is none: %v", err)
	}
	a.putBase(env, 300, a.base)
	b, err := follow.OpenBase(t.Context(), env.Conn, a.config.Key, 300)
	if err != nil {
		t.Fatal(err)
	}
	if b.Cursor() != a.at || b.Previous() == a.at.Chain {
		t.Errorf("it stands at %v, want %v", b.Cursor(), a.at)
	}
	for range 2 {
		s, err := b.State(t.Context())
		if err != nil || s.Hash() != a.state || s.Position != 300 {
			t.Fatalf("another state: %v", err)
		}
	}
	dir := filepath.Join(t.TempDir(), "tree")
	if err := b.Tree(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	leaves, err := tree.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer leaves.Close()
	if head, err := leaves.Head(); err != nil || head != a.head || journal.Cursor(leaves.At()) != a.at {
		t.Errorf("another tree: %v, %v", head, err)
	}
	var again bytes.Buffer
	if err := b.Copy(t.Context(), &again); err != nil || !bytes.Equal(again.Bytes(), a.base) {
		t.Errorf("its copy has %d bytes of %d: %v", again.Len(), len(a.base), err)
	}
	if err := follow.DropBases(t.Context(), env.Conn, 299); err != nil {
		t.Fatal(err)
	}
	if _, err := follow.OpenBase(t.Context(), env.Conn, a.config.Key, 300); !errors.Is(err, follow.ErrNoBase) {
		t.Errorf("once dropped: %v", err)
	}
}

// What is not the base of a position, under that key, whole, is none.
func TestBaseThatDoesNotVerify(t *testing.T) {
	a := newArchive(t, 300, 300)
	env := journaltest.New(t)
	for name, bad := range map[string]struct {
		first events.Position
		key   []byte
		base  []byte
	}{
		"of another position":     {299, a.config.Key, a.base},
		"of another key":          {300, key('b'), a.base},
		"of another magic":        {300, a.config.Key, append([]byte("x"), a.base[1:]...)},
		"with nothing in it":      {300, a.config.Key, nil},
		"cut short":               {300, a.config.Key, a.base[:len(a.base)-1]},
		"longer":                  {300, a.config.Key, append(bytes.Clone(a.base), 0)},
		"with another first byte": {300, a.config.Key, flipped(a.base, len("grantlog base 1\n")+40)},
		"with another last byte":  {300, a.config.Key, flipped(a.base, len(a.base)-1)},
	} {
		a.putBase(env, bad.first, bad.base)
		b, err := follow.OpenBase(t.Context(), env.Conn, bad.key, bad.first)
		if err == nil {
			_, err = b.State(t.Context())
		} else if !errors.Is(err, follow.ErrNoBase) || errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			t.Errorf("a base %s is taken", name)
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// Who cannot write the whole base leaves none.
func TestBaseHalfWritten(t *testing.T) {
	a := newArchive(t, 2, 2)
	env := journaltest.New(t)
	broken := errors.New("broken")
	err := follow.PutBase(t.Context(), env.Conn, 1, 2, func(w io.Writer) error {
		_, err := w.Write(a.base[:len(a.base)/2])
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("put: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := follow.PutBase(ctx, env.Conn, 1, 2, func(w io.Writer) error { return nil }); err == nil {
		t.Error("put without a server")
	}
	if _, err := follow.OpenBase(t.Context(), env.Conn, a.config.Key, 2); !errors.Is(err, follow.ErrNoBase) {
		t.Errorf("there is one: %v", err)
	}
}
