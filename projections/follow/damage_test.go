package follow_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections/follow"
)

func TestShortenedLogIsRefused(t *testing.T) {
	whole := newReplica(t, journaltest.New(t))
	whole.write("o1", "o2", "o3")
	end(t, whole.start())
	for _, c := range []struct {
		name string
		lose string // pattern of files that are lost with the end of the log
	}{
		{"known by watermark and snapshot", "none"},
		{"known by the watermark", "state-*"},
		{"known by the snapshot", "watermark"},
	} {
		t.Run(c.name, func(t *testing.T) {
			short := newReplica(t, journaltest.New(t))
			short.write("o1", "o2")
			copyFiles(t, whole.config.Dir, short.config.Dir, c.lose)
			f, err := follow.Start(t.Context(), short.config)
			if err == nil {
				end(t, f)
			}
			if !errors.Is(err, follow.ErrShortened) {
				t.Errorf("start: %v", err)
			}
		})
	}
}

// Another log of the same length is as bad as a shorter one, wherever it
// differs.
func TestAlteredLogIsRefused(t *testing.T) {
	original := newReplica(t, journaltest.New(t))
	original.write("o1", "o2", "o3")
	end(t, original.start())
	for _, lose := range []string{"none", "state-*", "watermark"} {
		t.Run("without "+lose, func(t *testing.T) {
			other := newReplica(t, journaltest.New(t))
			other.write("o1", "o2", "other", "o4")
			copyFiles(t, original.config.Dir, other.config.Dir, lose)
			f := other.begin()
			err := f.WaitReady(t.Context())
			if !errors.Is(err, follow.ErrAltered) || !errors.Is(err, follow.ErrDamaged) {
				t.Errorf("ready: %v", err)
			}
			if err := f.Fresh(); !errors.Is(err, follow.ErrAltered) {
				t.Errorf("fresh: %v", err)
			}
			before, _ := follow.Watermark(original.config.Dir)
			end(t, f)
			if after, err := follow.Watermark(other.config.Dir); lose != "watermark" && (err != nil || after != before) {
				t.Errorf("the watermark is now %v (%v)", after, err)
			}
		})
	}
}

func copyFiles(t *testing.T, from, to, but string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for _, name := range glob(t, to, but) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// inject writes a page as a replica of another version might.
func inject(t *testing.T, env *journaltest.Env, subject, page string) {
	t.Helper()
	mac := hmac.New(sha256.New, journaltest.MACKey())
	mac.Write([]byte(subject + "\x00" + page))
	msg := nats.NewMsg(subject)
	msg.Data = []byte(page)
	msg.Header.Set("Grantlog-Mac", base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	if _, err := env.Conn.RequestMsgWithContext(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

const (
	pageHead = `{"commit":"c_1","replica":"r_other","events":[`
	goodHalf = `{"id":"e_1","type":"organization.created","version":1,"time":"2026-11-22T11:14:14.123456Z",` +
		`"organization":"half","data":{"id":"half","name":"Half"}},`
)

func TestUnknownEventStopsTheReplica(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	f := r.start()
	await(t, f, r.write("o1"))
	inject(t, env, events.OrganizationSubject("half"), pageHead+goodHalf+
		`{"id":"e_2","type":"organization.dissolved","version":1,"time":"2026-11-22T11:14:14.123456Z","data":{}}]}`)
	r.write("o3")
	// The wait ends although its context does not.
	err := f.WaitFor(t.Context(), 2)
	var unknown *events.UnknownTypeError
	if !errors.As(err, &unknown) || unknown.Type != "organization.dissolved" || !errors.Is(err, follow.ErrDamaged) {
		t.Fatalf("wait: %v", err)
	}
	if err := f.Fresh(); !errors.As(err, &unknown) {
		t.Errorf("fresh: %v", err)
	}
	if f.Position() != 1 || knows(f, "half") || knows(f, "o3") {
		t.Errorf("went on to %d", f.Position())
	}
	eventually(t, "it is told once", func() bool { return r.log.count("this replica stops answering") == 1 })
}

func TestMalformedRecordIsNotApplied(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	f := r.start()
	inject(t, env, events.OrganizationSubject("half"), pageHead+goodHalf+`{"id":"e_2"}]}`)
	eventually(t, "it stops", func() bool { return f.Fresh() != nil })
	if err := f.Fresh(); !errors.Is(err, follow.ErrDamaged) || !errors.Is(err, events.ErrMalformed) {
		t.Errorf("fresh: %v", err)
	}
	if f.Position() != 0 || knows(f, "half") {
		t.Errorf("applied in part, position %d", f.Position())
	}
}

// A bad record stops the replica before it; once the disk has the right one
// again, the replica goes on by itself.
func TestRecoversWhenTheLogIsWholeAgain(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	r.write("o1", "o2", "o3", "o4")
	env.Stop()
	env.FlipBit(3)
	env.Start()
	r.connected()
	f := r.begin()
	eventually(t, "the damage is noticed", func() bool { return errors.Is(f.Fresh(), follow.ErrDamaged) })
	if f.Position() != 2 || knows(f, "o4") {
		t.Errorf("went on to %d", f.Position())
	}
	if err := f.Snapshot(t.Context()); !errors.Is(err, follow.ErrDamaged) || len(snapshots(t, r.config.Dir)) != 0 {
		t.Errorf("a snapshot was taken of a damaged log (%v)", err)
	}
	env.Stop()
	env.FlipBit(3)
	env.Start()
	ready(t, f)
	eventually(t, "it answers", func() bool { return f.Fresh() == nil })
	if !knows(f, "o4") {
		t.Error("it does not show the record that is whole again")
	}
	eventually(t, "it is told once", func() bool { return r.log.count("the log is whole again") == 1 })
}

// A log that was put back to an earlier time under a running replica.
func TestLogShortenedUnderARunningReplica(t *testing.T) {
	for _, single := range []bool{true, false} {
		t.Run(fmt.Sprintf("single=%v", single), func(t *testing.T) { testShortenedUnderARunningReplica(t, single) })
	}
}

func testShortenedUnderARunningReplica(t *testing.T, single bool) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	r.config.Single, r.config.MaxStaleness = single, 200*time.Millisecond
	r.write("o1")
	f := r.start()
	env.Stop()
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(env.Dir())); err != nil {
		t.Fatal(err)
	}
	env.Start()
	r.connected()
	await(t, f, r.write("o2", "o3"))
	env.Stop()
	if err := errors.Join(os.RemoveAll(env.Dir()), os.CopyFS(env.Dir(), os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	env.Start()
	eventually(t, "it is noticed", func() bool { return errors.Is(f.Fresh(), follow.ErrDamaged) })
	var gap *journal.GapError
	err := f.Fresh()
	if !errors.As(err, &gap) && !errors.Is(err, follow.ErrShortened) && !errors.Is(err, follow.ErrAltered) {
		t.Errorf("fresh: %v", err)
	}
}

// A log that gives a position a second time had lost what stood there.
func TestBeaconAtAnAppliedPositionStopsTheReplica(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.config.Single, r.config.MaxStaleness = false, 100*time.Millisecond
	f := r.start()
	eventually(t, "it is noticed", func() bool {
		follow.PretendApplied(f, 1<<40)
		return errors.Is(f.Fresh(), follow.ErrShortened)
	})
	if err := f.WaitFor(t.Context(), 1<<41); !errors.Is(err, follow.ErrDamaged) {
		t.Errorf("a wait ends with %v", err)
	}
}
