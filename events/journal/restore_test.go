package journal_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// sample writes a log.
func sample(t *testing.T, records int) *journal.Journal {
	t.Helper()
	j := journaltest.New(t).Open(func(c *journal.Config) { c.Replica = "r_writer" })
	for i := range records {
		mustAppend(t, j, events.BeaconsSubject(), beacon(fmt.Sprint(i)))
	}
	return j
}

// restoring is how to restore to a server.
func restoring(env *journaltest.Env, change ...func(*journal.Config)) journal.Config {
	cfg := journal.Config{Conn: env.Conn, MACKey: journaltest.MACKey(), Replica: "r_restore"}
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

// copyInto puts every record of a log into a restoration.
func copyInto(t *testing.T, from *journal.Journal) func(*journal.Restoration) error {
	return func(r *journal.Restoration) error {
		return from.Read(t.Context(), journal.Cursor{}, lastOf(t, from), func(record *journal.Record) error {
			return r.Put(t.Context(), record)
		})
	}
}

// A restored log is the log, and goes on: on a single server and on a cluster.
func TestRestore(t *testing.T) {
	j := sample(t, 600)
	for name, env := range map[string]*journaltest.Env{"single": journaltest.New(t), "cluster": journaltest.NewCluster(t)[0]} {
		t.Run(name, func(t *testing.T) {
			var change []func(*journal.Config)
			if name == "cluster" {
				change = append(change, journaltest.Replicated)
			}
			var at events.Position
			eventually(t, "the server takes a log", func() bool { // a cluster that is still starting does not
				err := journal.Restore(t.Context(), restoring(env, change...), 1, func(r *journal.Restoration) (err error) {
					if err := copyInto(t, j)(r); err != nil {
						return err
					}
					at, err = r.Append(t.Context(), events.BeaconsSubject(), beacon("restored"))
					return err
				})
				if err != nil && !errors.Is(err, journal.ErrUnavailable) {
					t.Fatal(err)
				}
				return err == nil
			})
			again := env.Open(change...)
			if at != 601 || lastOf(t, again) != 601 {
				t.Fatalf("appended at %d, the log ends at %d", at, lastOf(t, again))
			}
			if diff := cmp.Diff(readAll(t, j), readAll(t, again)[:600]); diff != "" {
				t.Error(diff)
			}
			mustAppend(t, again, events.BeaconsSubject(), beacon("and on"))
			eventually(t, "it refuses another one", func() bool {
				err := journal.Restore(t.Context(), restoring(env, change...), 1, copyInto(t, j))
				if !errors.Is(err, journal.ErrExists) && !errors.Is(err, journal.ErrUnavailable) {
					t.Fatalf("onto a log: %v", err)
				}
				return errors.Is(err, journal.ErrExists)
			})
		})
	}
}

// A restoration that fails leaves nothing, and while it goes on nobody opens
// the log or restores it too.
func TestRestoreFails(t *testing.T) {
	j, env := sample(t, 3), journaltest.New(t)
	broken := errors.New("broken")
	err := journal.Restore(t.Context(), restoring(env), 1, func(r *journal.Restoration) error {
		if err := copyInto(t, j)(r); err != nil {
			t.Error(err)
		}
		if _, err := journal.Open(t.Context(), restoring(env)); !errors.Is(err, journal.ErrRestoring) {
			t.Errorf("opened: %v", err)
		}
		if err := journal.Restore(t.Context(), restoring(env), 1, copyInto(t, j)); !errors.Is(err, journal.ErrRestoring) {
			t.Errorf("restored twice at once: %v", err)
		}
		var gap *journal.GapError
		if err := copyInto(t, j)(r); !errors.As(err, &gap) || gap.Want != 4 {
			t.Errorf("a record out of order: %v", err)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	js, err := jetstream.New(env.Conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), journal.StreamName); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("a stream is left: %v", err)
	}
}

// What a restoration has left that was broken off is known for what it is until
// all of it is removed, and nothing else is.
func TestAbandon(t *testing.T) {
	j, env := sample(t, 3), journaltest.New(t)
	brokenOff := make(chan struct{})
	go func() {
		defer close(brokenOff)
		journal.Restore(t.Context(), restoring(env), 1, func(r *journal.Restoration) error {
			if err := copyInto(t, j)(r); err != nil {
				t.Error(err)
			}
			runtime.Goexit() // as a process that is killed
			return nil
		})
	}()
	<-brokenOff
	if found, err := journal.Restoring(t.Context(), restoring(env)); !found || err != nil {
		t.Errorf("restoring: %v %v", found, err)
	}
	stuck := errors.New("stuck")
	if err := journal.Abandon(t.Context(), restoring(env), func() error { return stuck }); !errors.Is(err, stuck) {
		t.Error(err)
	}
	if _, err := journal.Open(t.Context(), restoring(env)); !errors.Is(err, journal.ErrRestoring) {
		t.Errorf("opened: %v", err)
	}
	if err := journal.Abandon(t.Context(), restoring(env), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	existing := restoring(env, func(c *journal.Config) { c.Existing = true })
	if _, err := journal.Open(t.Context(), existing); !errors.Is(err, journal.ErrAbsent) {
		t.Errorf("opened: %v", err)
	}
	if err := journal.Restore(t.Context(), restoring(env), 1, copyInto(t, j)); err != nil {
		t.Fatal(err)
	}
	unasked := func() error { t.Error("what stands beside a log is removed"); return nil }
	if err := journal.Abandon(t.Context(), restoring(env), unasked); err != nil {
		t.Error(err)
	}
	if again, err := journal.Open(t.Context(), existing); err != nil || lastOf(t, again) != 3 {
		t.Errorf("the log is gone: %v", err)
	}
}
