package follow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections/follow"
)

func snapshots(t testing.TB, dir string) []string { return glob(t, dir, "state-*") }

func glob(t testing.TB, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// replay is the state's hash by the log alone.
func (r *replica) replay() [32]byte {
	r.t.Helper()
	other := *r
	other.config.Dir, other.config.OnApply, other.config.Depot = "", nil, nil
	other.config.Single = true // it writes nothing
	f := other.start()
	defer end(r.t, f)
	return hashOf(f)
}

func TestRestartGoesOnFromTheSnapshot(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	var read []events.Position
	r.config.OnApply = append(r.config.OnApply, func(rec *journal.Record) { read = append(read, rec.Position) })
	f := r.start()
	await(t, f, r.write("o1", "o2", "o3"))
	end(t, f)
	if got := snapshots(t, r.config.Dir); len(got) != 1 {
		t.Fatalf("snapshots after Close: %v", got)
	}

	r.write("o4")
	read = nil
	f = r.start()
	if s := f.Status(); s.Snapshot != 3 || s.Position != 4 {
		t.Errorf("status after the restart: %+v", s)
	}
	if hashOf(f) != r.replay() || !knows(f, "o1") || !knows(f, "o4") {
		t.Error("not the state of the log")
	}
	end(t, f)
	if fmt.Sprint(read) != "[4]" {
		t.Errorf("applied again: %v", read)
	}
}

func TestNothingNewNeedsNoSnapshot(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.write("o1")
	end(t, r.start())
	before, err := os.Stat(snapshots(t, r.config.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	end(t, r.start())
	after, err := os.Stat(snapshots(t, r.config.Dir)[0])
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("written again (%v)", err)
	}
}

func TestSnapshotsAreTakenAsTheLogGrows(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.config.SnapshotBytes = 1
	f := r.start()
	// Not for every record: no more often than the last one's size is read.
	written := 0
	eventually(t, "two snapshots and no more", func() bool {
		await(t, f, r.write(fmt.Sprint("o", written)))
		written++
		return written > 50 && len(snapshots(t, r.config.Dir)) == 2
	})
	want := r.replay()
	end(t, f)
	f = r.start()
	if hashOf(f) != want {
		t.Error("not the state of the log")
	}
}

func TestSnapshotHonoursItsContext(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	f := r.start()
	await(t, f, r.write("o1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Snapshot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if got := snapshots(t, r.config.Dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

// A snapshot that is not what was written is dropped, and the one before it or
// the log gives the same state.
func TestDamagedSnapshotIsDropped(t *testing.T) {
	flip := func(at func(size int) int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[at(len(b))] ^= 4
			return b
		}
	}
	for name, damage := range map[string]func([]byte) []byte{
		"magic":    flip(func(int) int { return 3 }),
		"salt":     flip(func(int) int { return 25 }),
		"state":    flip(func(size int) int { return size / 2 }),
		"end":      flip(func(size int) int { return size - 1 }),
		"old form": func(b []byte) []byte { return append([]byte("grantlog snapshot 1\n"), b[20:]...) },
		"cut":      func(b []byte) []byte { return b[:len(b)-1] },
		"longer":   func(b []byte) []byte { return append(b, 0) },
		"short":    func(b []byte) []byte { return b[:10] },
		"empty":    func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, journaltest.New(t))
			f := r.start()
			for _, id := range []string{"o1", "o2", "o3"} {
				await(t, f, r.write(id))
				if err := f.Snapshot(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			end(t, f)
			kept := snapshots(t, r.config.Dir)
			if len(kept) != 2 {
				t.Fatalf("kept %v", kept)
			}
			b, err := os.ReadFile(kept[1])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(kept[1], damage(b), 0o600); err != nil {
				t.Fatal(err)
			}

			f = r.start()
			if s := f.Status(); s.Snapshot != 2 || hashOf(f) != r.replay() {
				t.Errorf("status %+v", s)
			}
			if _, err := os.Stat(kept[1]); err == nil || r.log.count("a snapshot is dropped") != 1 {
				t.Errorf("kept, or not told:\n%s", &r.log.b)
			}
		})
	}
}

// A file that another key sealed, or that stands under another's name, is not
// the snapshot that it says it is.
func TestForeignSnapshotIsDropped(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	f := r.start()
	await(t, f, r.write("organization-1", "organization-2"))
	end(t, f)
	own := snapshots(t, r.config.Dir)[0]
	if b, err := os.ReadFile(own); err != nil || bytes.Contains(b, []byte("organization")) { // long enough not to come by chance
		t.Errorf("a snapshot shows what it holds (%v)", err)
	}
	if err := os.Rename(own, filepath.Join(r.config.Dir, "state-00000000000000000001.snapshot")); err != nil {
		t.Fatal(err)
	}
	end(t, r.start())
	r.config.Key = key('b')
	f = r.start()
	if n := r.log.count("a snapshot is dropped"); n != 2 || hashOf(f) != r.replay() {
		t.Errorf("%d were dropped", n)
	}
}

func TestUnfinishedFilesAreRemoved(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	for _, name := range []string{"state-00000000000000000009.snapshot.17.tmp", "state-00000000000000000007.snapshot.joined.tmp", "watermark.4.tmp"} {
		if err := os.WriteFile(filepath.Join(r.config.Dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	end(t, r.start())
	if left, _ := filepath.Glob(filepath.Join(r.config.Dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWatermarkKeepsUp(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	f := r.start()
	pos := r.write("o1")
	eventually(t, "the watermark is written", func() bool {
		at, err := follow.Watermark(r.config.Dir)
		return err == nil && at.Position == pos
	})
	await(t, f, r.write("o2", "o3"))
	end(t, f)
	at, err := follow.Watermark(r.config.Dir)
	if err != nil || at.Position != 3 || at.Chain == (journal.Cursor{}).Chain {
		t.Errorf("watermark after Close: %v, %v", at, err)
	}
}

func TestUnreadableWatermarkRefusesTheStart(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	for _, content := range []string{"", "7", "7 00ff\n", "x y\n"} {
		if err := os.WriteFile(filepath.Join(r.config.Dir, "watermark"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if f, err := follow.Start(t.Context(), r.config); err == nil {
			end(t, f)
			t.Errorf("started with watermark %q", content)
		}
	}
}
