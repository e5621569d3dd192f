package follow_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections/follow"
)

// openBase is how a server finds the base.
func openBase(env *journaltest.Env) func(context.Context, events.Position) (*follow.Base, error) {
	return func(ctx context.Context, first events.Position) (*follow.Base, error) {
		return follow.OpenBase(ctx, env.Conn, key('a'), first)
	}
}

// onArchived is a replica of a log without its beginning.
func onArchived(t testing.TB, env *journaltest.Env) *replica {
	t.Helper()
	r := newReplica(t, env)
	r.config.OpenBase = openBase(env)
	return r
}

// A replica starts from what the log begins with, whatever it kept from before,
// and from what it kept of the log afterwards. Its state is that of a replica
// of the whole log.
func TestStartsFromTheBase(t *testing.T) {
	a := newArchive(t, 20, 30)
	whole := a.start()
	want := hashOf(whole)
	old := t.TempDir() // of a replica that stopped before
	if err := os.CopyFS(old, os.DirFS(snapshotAt(t, 10))); err != nil {
		t.Fatal(err)
	}
	env := a.goOn()
	for name, dir := range map[string]string{"with nothing": t.TempDir(), "with an old snapshot": old, "without a directory": ""} {
		r := onArchived(t, env)
		r.config.Dir = dir
		f := r.start()
		if hashOf(f) != want || r.log.count("from=base") != 1 {
			t.Errorf("%s: another state, or not from the base", name)
		}
		if b, err := f.Base(t.Context()); err != nil || b.Cursor() != a.at {
			t.Errorf("%s: its base: %v", name, err)
		}
		end(t, f)
		if dir == "" {
			continue
		}
		again := onArchived(t, env)
		again.config.Dir = dir
		f = again.start()
		if hashOf(f) != want || again.log.count(`from="data directory"`) != 1 {
			t.Errorf("%s: the second start is another one", name)
		}
		end(t, f)
	}
	r := onArchived(t, env)
	f := r.start()
	await(t, f, r.write("o31"))
	await(t, whole, a.write("o31"))
	if !knows(f, "o31") || !knows(f, "o1") {
		t.Error("it does not go on")
	}
}

// snapshotAt is the directory of a replica that stopped at a position, of a
// log that newArchive makes.
func snapshotAt(t *testing.T, position int) string {
	a := newArchive(t, 1, position)
	f := a.start()
	end(t, f)
	return a.config.Dir
}

// A log that lost its beginning is none that was archived.
func TestLogWithoutItsBase(t *testing.T) {
	a := newArchive(t, 20, 30)
	env := a.goOn()
	other := newArchive(t, 20, 20)
	for name, spoil := range map[string]func(r *replica){
		"nobody looks for one": func(r *replica) { r.config.OpenBase = nil },
		"under another key": func(r *replica) {
			r.config.OpenBase = func(ctx context.Context, first events.Position) (*follow.Base, error) {
				return follow.OpenBase(ctx, env.Conn, key('b'), first)
			}
		},
		"another log's": func(r *replica) { other.putBase(env, 20, other.base) },
		"of another position": func(r *replica) {
			if err := follow.DropBases(t.Context(), env.Conn, 0); err != nil {
				t.Fatal(err)
			}
			a.putBase(env, 19, a.base)
		},
	} {
		a.putBase(env, 20, a.base)
		r := onArchived(t, env)
		spoil(r)
		if _, err := follow.Start(t.Context(), r.config); !errors.Is(err, follow.ErrNoBase) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A replica with an empty directory takes a snapshot of the others only if the
// log goes as far back.
func TestJoinsAnArchivedLog(t *testing.T) {
	a := newArchive(t, 20, 30)
	env := a.goOn()
	member := func() *replica {
		r := newMember(t, env)
		r.config.OpenBase = openBase(env)
		return r
	}
	first := member()
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(snapshotAt(t, 10))); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(old, "state-*.snapshot"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := follow.Put(t.Context(), first.config.Depot, names[0]); err != nil {
		t.Fatal(err)
	}
	first.config.DepotEvery = 10 * time.Millisecond
	f := first.start()
	if first.log.count("from=base") != 1 || !knows(f, "o1") {
		t.Error("it does not start from the base")
	}
	if left, _ := filepath.Glob(filepath.Join(first.config.Dir, "*.joined.tmp")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if err := f.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it leaves one for others", func() bool { return first.log.count("snapshot put into the object store") > 0 })
	second := member()
	f2 := second.start()
	if second.log.count(`from="object store"`) != 1 || !knows(f2, "o1") {
		t.Error("it does not start from the others' snapshot")
	}
}

// Replicas that run while the log is rolled over go on by themselves, and know
// what it begins with then.
func TestRollOverUnderAReplica(t *testing.T) {
	a := newArchive(t, 20, 30)
	env := a.env
	r := newMember(t, env)
	r.config.OpenBase, r.config.MaxStaleness = openBase(env), 2*time.Second
	f := r.start()
	await(t, f, r.write("o31"))
	cursors := map[events.Position]journal.Cursor{}
	if err := r.Read(t.Context(), journal.Cursor{}, 20, func(rec *journal.Record) error {
		cursors[rec.Position] = rec.Cursor()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if b, err := f.Base(t.Context()); b != nil || err != nil {
		t.Errorf("a whole log has a base: %v", err)
	}
	a.putBase(env, 20, a.base)
	cfg := journal.Config{Conn: env.Conn, MACKey: journaltest.MACKey(), Replica: "r_archive"}
	if err := journal.RollOver(t.Context(), cfg, journal.Rollover{Before: cursors[19], At: cursors[20]}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is fresh", func() bool { return f.Fresh() == nil && r.First() == 20 })
	await(t, f, r.write("o32"))
	if !knows(f, "o32") || r.log.count("does not continue") != 0 {
		t.Error("it took the log for damaged")
	}
	if b, err := f.Base(t.Context()); err != nil || b.Cursor() != cursors[20] {
		t.Errorf("its base: %v", err)
	}
}
