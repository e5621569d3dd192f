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
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections/follow"
)

// newMember is a replica of a log that has others, with a data directory of
// its own.
func newMember(t testing.TB, env *journaltest.Env) *replica {
	t.Helper()
	r := newReplica(t, env)
	depot, err := follow.NewDepot(env.Conn, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.config.Single, r.config.Depot = false, depot
	r.config.DepotEvery, r.config.MaxStaleness = time.Hour, time.Hour // neither snapshots nor beacons but those of the test
	return r
}

// supplied has a first replica write organizations and leave a snapshot of
// them in the depot, whose name it returns.
func supplied(t testing.TB, env *journaltest.Env, ids ...string) string {
	t.Helper()
	r := newMember(t, env)
	r.config.DepotEvery = 10 * time.Millisecond
	f := r.start()
	await(t, f, r.write(ids...))
	if err := f.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a snapshot is in the depot", func() bool { return r.log.count("snapshot put into the object store") > 0 })
	end(t, f)
	return filepath.Base(snapshots(t, r.config.Dir)[0])
}

func bucket(t testing.TB, env *journaltest.Env) jetstream.ObjectStore {
	t.Helper()
	js, err := jetstream.New(env.Conn)
	if err != nil {
		t.Fatal(err)
	}
	b, err := js.ObjectStore(t.Context(), follow.DepotBucket)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stored lists what the depot has. A list of nats.go waits for records that are
// removed while it is made, and for ever: then it is made anew.
func stored(t testing.TB, env *journaltest.Env) (names []string) {
	t.Helper()
	var all []*jetstream.ObjectInfo
	eventually(t, "what is stored is listed", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience/10)
		defer cancel()
		var err error
		all, err = bucket(t, env).List(ctx)
		if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		return !errors.Is(err, context.DeadlineExceeded)
	})
	for _, info := range all {
		names = append(names, info.Name)
	}
	return names
}

// applies notes what a replica reads of the log.
func (r *replica) applies(read *[]events.Position) {
	r.config.OnApply = append(r.config.OnApply, func(rec *journal.Record) { *read = append(*read, rec.Position) })
}

// A replica that joins reads the log from the snapshot on, which it keeps.
func TestJoinsFromTheDepot(t *testing.T) {
	env := journaltest.New(t)
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprint("organization-", i))
	}
	name := supplied(t, env, many...)
	at := events.Position(201)                                                                                                    // a beacon stands before
	if whole, err := bucket(t, env).GetBytes(t.Context(), name); err != nil || bytes.Contains(whole, []byte("organization-17")) { // long enough not to come by chance
		t.Errorf("other clients cannot read the object, or too much of it: %v", err)
	}

	r := newMember(t, env)
	var read []events.Position
	r.applies(&read)
	r.write("late")
	f := r.start()
	if s := f.Status(); s.Snapshot < at || hashOf(f) != r.replay() || !knows(f, "organization-17") || !knows(f, "late") {
		t.Errorf("not the state of the log: %+v", s)
	}
	end(t, f)
	if len(read) == 0 || len(read) > 10 || read[0] <= at {
		t.Errorf("read %v", read)
	}
	for line, want := range map[string]int{"snapshot fetched": 1, `from="object store"`: 1, "replayed=1\n": 1, "level=WARN": 0} {
		if n := r.log.count(line); n != want {
			t.Errorf("%d times %q:\n%s", n, line, &r.log.b)
		}
	}

	r.log.b.Reset()
	end(t, r.start())
	if r.log.count(`from="data directory"`) != 1 || r.log.count("snapshot fetched") != 0 {
		t.Errorf("the next start:\n%s", &r.log.b)
	}
}

// What does not verify in the depot is dropped. With nothing else there, the
// log is replayed.
func TestDepotWithoutAGoodSnapshot(t *testing.T) {
	for name, forge := range map[string]func(whole []byte) (name string, content []byte){
		"forged": func([]byte) (string, []byte) {
			return "state-00000000000000000003.snapshot", []byte("grantlog snapshot 2\nhello")
		},
		"truncated": func(whole []byte) (string, []byte) {
			return "state-00000000000000000003.snapshot", whole[:len(whole)-10]
		},
		"renamed": func(whole []byte) (string, []byte) { return "state-00000000000000000004.snapshot", whole },
		"of the far future": func(whole []byte) (string, []byte) {
			return "state-09000000000000000000.snapshot", whole
		},
		"without a name that is one": func(whole []byte) (string, []byte) { return "../../state", whole },
	} {
		t.Run(name, func(t *testing.T) {
			env := journaltest.New(t)
			whole, err := bucketBytes(t, env, supplied(t, env, "o1", "o2"))
			if err != nil {
				t.Fatal(err)
			}
			forged, content := forge(whole)
			if _, err := bucket(t, env).PutBytes(t.Context(), forged, content); err != nil {
				t.Fatal(err)
			}
			r := newMember(t, env)
			f := r.start()
			if hashOf(f) != r.replay() {
				t.Error("not the state of the log")
			}
			wantDropped := 1
			if name == "without a name that is one" {
				wantDropped = 0
			}
			if n := r.log.count("does not verify and is dropped"); n != wantDropped || r.log.count("the log is replayed") != wantDropped {
				t.Errorf("told %d times:\n%s", n, &r.log.b)
			}
			if left, _ := filepath.Glob(filepath.Join(r.config.Dir, "*.joined.tmp")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// bucketBytes returns a snapshot of the depot and removes it there.
func bucketBytes(t testing.TB, env *journaltest.Env, name string) ([]byte, error) {
	t.Helper()
	b := bucket(t, env)
	whole, err := b.GetBytes(t.Context(), name)
	return whole, errors.Join(err, b.Delete(t.Context(), name))
}

// Under another master key, a snapshot is nothing.
func TestDepotOfAnotherMasterKey(t *testing.T) {
	env := journaltest.New(t)
	supplied(t, env, "o1", "o2")
	r := newMember(t, env)
	r.config.Key = key('b')
	f := r.start()
	if hashOf(f) != r.replay() || r.log.count("the log is replayed") != 1 {
		t.Errorf("not the state of the log, or not told:\n%s", &r.log.b)
	}
}

// A newer snapshot that does not verify does not hide an older one that does.
func TestDepotFallsBackToAnOlderSnapshot(t *testing.T) {
	env := journaltest.New(t)
	supplied(t, env, "o1", "o2")
	if _, err := bucket(t, env).PutBytes(t.Context(), "state-00000000000000000004.snapshot", []byte("x")); err != nil {
		t.Fatal(err)
	}
	r := newMember(t, env)
	f := r.start()
	if hashOf(f) != r.replay() || r.log.count("snapshot fetched") != 1 || r.log.count("is dropped") != 1 {
		t.Errorf("log:\n%s", &r.log.b)
	}
}

// A snapshot that verifies is as good a witness as one of the replica's own.
func TestDepotKnowsALogThatWasShortenedOrAltered(t *testing.T) {
	whole := journaltest.New(t)
	name := supplied(t, whole, "o1", "o2", "o3")
	snapshot, err := bucketBytes(t, whole, name)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(t *testing.T, ids ...string) *replica {
		env := journaltest.New(t)
		supplied(t, env, ids[0])
		if _, err := bucket(t, env).PutBytes(t.Context(), name, snapshot); err != nil {
			t.Fatal(err)
		}
		r := newMember(t, env)
		r.write(ids[1:]...)
		return r
	}
	t.Run("shortened", func(t *testing.T) {
		r := replace(t, "o1", "o2")
		f, err := follow.Start(t.Context(), r.config)
		if err == nil {
			end(t, f)
		}
		if !errors.Is(err, follow.ErrShortened) || !bytes.Contains([]byte(err.Error()), []byte(follow.DepotBucket)) {
			t.Errorf("start: %v", err)
		}
	})
	t.Run("altered", func(t *testing.T) {
		r := replace(t, "o1", "o2", "other", "o4", "o5")
		f := r.begin()
		if err := f.WaitReady(t.Context()); !errors.Is(err, follow.ErrAltered) {
			t.Errorf("ready: %v", err)
		}
		end(t, f)
		if kept := snapshots(t, r.config.Dir); len(kept) != 1 || filepath.Ext(kept[0]) != ".tmp" {
			t.Errorf("kept: %v", kept)
		}
	})
}

// A replica that knows what the log was replays it rather than trust others.
func TestWatermarkGoesBeforeTheDepot(t *testing.T) {
	env := journaltest.New(t)
	r := newMember(t, env)
	f := r.start()
	await(t, f, r.write("o1"))
	end(t, f)
	supplied(t, env, "o2")
	if err := os.Remove(snapshots(t, r.config.Dir)[0]); err != nil {
		t.Fatal(err)
	}
	var read []events.Position
	r.applies(&read)
	end(t, r.start())
	if len(read) == 0 || read[0] != 1 {
		t.Errorf("read %v", read)
	}
}

// The replica whose turn it is puts a snapshot; the others leave it at that
// until it is old. A few are kept.
func TestReplicasSupplyTheDepot(t *testing.T) {
	env := journaltest.New(t)
	var replicas []*replica
	var followers []*follow.Follower
	for range 2 {
		r := newMember(t, env)
		replicas, followers = append(replicas, r), append(followers, r.start())
	}
	// turn has a replica take a snapshot and its turn, and says whether it put
	// the snapshot.
	turn := func(i int) bool {
		r, f := replicas[i], followers[i]
		await(t, f, r.write(fmt.Sprintf("o%d-%d", i, f.Position())))
		before := len(stored(t, env))
		if err := errors.Join(f.Snapshot(t.Context()), follow.SupplyOnce(f)); err != nil {
			t.Fatal(err)
		}
		return len(stored(t, env)) > before
	}
	if f := followers[0]; follow.SupplyOnce(f) != nil {
		t.Error("nothing to put is an error")
	}
	await(t, followers[0], replicas[0].write("first"))
	if err := errors.Join(followers[0].Snapshot(t.Context()), follow.SupplyOnce(followers[0])); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, env); len(got) != 1 {
		t.Fatalf("the depot has %v", got)
	}
	for i := range replicas {
		if turn(i) {
			t.Error("a snapshot was put although there is a young one")
		}
	}

	r := newMember(t, env)
	r.config.DepotEvery = time.Millisecond
	f := r.start()
	var newest events.Position
	for i := range 4 {
		newest = r.write(fmt.Sprint("late", i))
		await(t, f, newest)
		if err := f.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is put into the depot", func() bool {
			return slices.Contains(stored(t, env), fmt.Sprintf("state-%020d.snapshot", newest))
		})
	}
	eventually(t, "the old ones are gone", func() bool { return len(stored(t, env)) == 2 })
	for _, r := range append(replicas, r) {
		if r.log.count("level=WARN") > 0 {
			t.Errorf("log:\n%s", &r.log.b)
		}
	}
}
