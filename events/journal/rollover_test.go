package journal_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// rolling is a log that is to begin with another record.
type rolling struct {
	env   *journaltest.Env
	cfg   journal.Config
	j     *journal.Journal
	r     journal.Rollover
	whole []page
}

func newRolling(t *testing.T, env *journaltest.Env, records int, first events.Position, change ...func(*journal.Config)) *rolling {
	t.Helper()
	o := &rolling{env: env, cfg: restoring(env, change...)}
	eventually(t, "the server takes a log", func() bool {
		j, err := journal.Open(t.Context(), o.cfg)
		if err != nil {
			return false
		}
		o.j = j
		return true
	})
	t.Cleanup(func() { o.j.Close(context.Background()) })
	for i := range records {
		patientAppend(t, o.j, subjectOf(i), fmt.Sprint(i))
	}
	o.whole = readAll(t, o.j)
	o.r.At = cursorAt(t, o.j, first)
	o.r.Before = cursorAt(t, o.j, first-1)
	return o
}

// patientAppend appends as soon as the log has a leader.
func patientAppend(t *testing.T, j *journal.Journal, subject, nonce string) (at events.Position) {
	t.Helper()
	eventually(t, "the log takes a record", func() (done bool) {
		var err error
		at, err = j.Append(t.Context(), subject, beacon(nonce))
		if err != nil && !errors.Is(err, journal.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	return at
}

// rollOver rolls over, whatever goes on in a cluster.
func (o *rolling) rollOver(t *testing.T) {
	t.Helper()
	eventually(t, "the log is rolled over", func() bool {
		err := journal.RollOver(t.Context(), o.cfg, o.r)
		if err != nil && !errors.Is(err, journal.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
}

func cursorAt(t *testing.T, j *journal.Journal, at events.Position) (c journal.Cursor) {
	t.Helper()
	if err := j.Read(t.Context(), journal.Cursor{}, at, func(r *journal.Record) error {
		c = r.Cursor()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

// check reads the log that was rolled over, and appends to it: also by a
// journal that was open all the time.
func (o *rolling) check(t *testing.T) {
	t.Helper()
	first := o.r.At.Position
	j, err := journal.Open(t.Context(), o.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(t.Context())
	last := events.Position(len(o.whole))
	if j.First() != first || lastOf(t, j) != last {
		t.Fatalf("from %d to %d", j.First(), lastOf(t, j))
	}
	if diff := cmp.Diff(o.whole[first-1:], tail(t, j, o.r.Before, last)); diff != "" {
		t.Error(diff)
	}
	for _, by := range []*journal.Journal{o.j, j} {
		last++
		if at := patientAppend(t, by, events.BeaconsSubject(), "and on"); at != last {
			t.Errorf("appended at %d, want %d", at, last)
		}
	}
	js, err := jetstream.New(o.env.Conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), journal.NextName); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("its copy is left: %v", err)
	}
	if at, err := journal.Archiving(t.Context(), o.cfg); at != 0 || err != nil {
		t.Errorf("it is still under way: %d, %v", at, err)
	}
}

func TestRollOver(t *testing.T) {
	for name, start := range map[string]func() (*journaltest.Env, []func(*journal.Config)){
		"single": func() (*journaltest.Env, []func(*journal.Config)) { return journaltest.New(t), nil },
		"cluster": func() (*journaltest.Env, []func(*journal.Config)) {
			return journaltest.NewCluster(t)[0], []func(*journal.Config){journaltest.Replicated}
		},
	} {
		t.Run(name, func(t *testing.T) {
			env, change := start()
			o := newRolling(t, env, 300, 120, change...)
			tailed := make(chan events.Position, 302)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan error, 1)
			go func() {
				ended <- o.j.Tail(ctx, journal.Cursor{}, func(r *journal.Record) error {
					tailed <- r.Position
					return nil
				})
			}()
			next := func(want events.Position) {
				t.Helper()
				select {
				case at := <-tailed:
					if at != want {
						t.Fatalf("tailed %d, want %d", at, want)
					}
				case <-time.After(time.Minute):
					t.Fatalf("not tailed: %d", want)
				}
			}
			for want := events.Position(1); want <= 300; want++ {
				next(want)
			}
			var told events.Position
			o.r.Progress = func(at, last events.Position) { told = at }
			o.rollOver(t)
			if told != 300 {
				t.Errorf("progress up to %d", told)
			}
			o.rollOver(t) // there is nothing to do
			o.check(t)
			for want := events.Position(301); want <= 302; want++ { // who followed the log goes on
				next(want)
			}
			stop()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the tail ended: %v", err)
			}
		})
	}
}

// breaker is a logger that ends the process, as it were, at a step.
type breaker struct {
	slog.Handler
	left *int
	at   *string
}

// onlooker is a logger that is told of every step.
type onlooker struct {
	slog.Handler
	step func(string)
}

func (onlooker) Enabled(context.Context, slog.Level) bool { return true }

func (o onlooker) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "step" {
			o.step(a.Value.String())
		}
		return true
	})
	return nil
}

type broken struct{}

func (b breaker) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "roll-over of the log" {
		return nil
	}
	if *b.left--; *b.left == 0 {
		r.Attrs(func(a slog.Attr) bool {
			*b.at = a.Value.String()
			return false
		})
		panic(broken{})
	}
	return nil
}

// breakOff rolls over until the n-th step, and says which that is; empty: there
// are not so many.
func (o *rolling) breakOff(t *testing.T, n int) (step string) {
	t.Helper()
	cfg := o.cfg
	cfg.Logger = slog.New(breaker{slog.DiscardHandler, &n, &step}.enabled())
	defer func() {
		if r := recover(); r != nil && r != (broken{}) {
			panic(r)
		}
	}()
	if err := journal.RollOver(t.Context(), cfg, o.r); err != nil {
		t.Fatal(err)
	}
	return ""
}

func (b breaker) enabled() slog.Handler { return enabled{b} }

type enabled struct{ breaker }

func (enabled) Enabled(context.Context, slog.Level) bool { return true }

// However often a roll-over is broken off, and wherever, nobody can use the log
// before it is complete, and it can be completed.
func TestRollOverThatIsBrokenOff(t *testing.T) {
	for n := 1; ; n++ {
		o := newRolling(t, journaltest.New(t), 30, 12)
		step := o.breakOff(t, n)
		if step == "" {
			if n < 8 {
				t.Errorf("%d steps were met", n)
			}
			o.check(t)
			return
		}
		t.Run(fmt.Sprint(n, " ", step), func(t *testing.T) {
			first, err := journal.Archiving(t.Context(), o.cfg)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case n > 1 && step != "done" && first != 12, first != 0 && first != 12:
				t.Errorf("it is said to begin with %d", first)
			case first == 12 && step != "remove "+journal.NextName:
				o.refused(t)
			}
			o.env.Restart()
			eventually(t, "the server is back", func() bool {
				_, err := journal.Archiving(t.Context(), o.cfg)
				return err == nil
			})
			o.breakOff(t, 2) // once more
			if err := journal.RollOver(t.Context(), o.cfg, o.r); err != nil {
				t.Fatal(err)
			}
			o.check(t)
		})
	}
}

// Where two roll a log over at once, the one that finds it complete leaves it.
func TestRollOverByTwo(t *testing.T) {
	o := newRolling(t, journaltest.New(t), 30, 12)
	cfg := o.cfg
	cfg.Logger = slog.New(onlooker{slog.DiscardHandler, func(step string) {
		if step != "copy to "+journal.NextName {
			return
		}
		if err := journal.RollOver(t.Context(), o.cfg, o.r); err != nil {
			t.Error(err)
		}
	}})
	if err := journal.RollOver(t.Context(), cfg, o.r); err == nil {
		t.Error("a log was made anew that was in use again")
	}
	if err := journal.RollOver(t.Context(), o.cfg, o.r); err != nil {
		t.Fatal(err)
	}
	o.check(t)
}

// A log that is being rolled over to one position is not rolled over to another.
func TestRollOverToTwoPositions(t *testing.T) {
	o := newRolling(t, journaltest.New(t), 30, 12)
	other := journal.Rollover{Before: cursorAt(t, o.j, 19), At: cursorAt(t, o.j, 20)}
	if step := o.breakOff(t, 2); step != "copy to "+journal.NextName {
		t.Fatalf("broken off at %q", step)
	}
	if err := journal.RollOver(t.Context(), o.cfg, other); !errors.Is(err, journal.ErrArchiving) {
		t.Errorf("to another position: %v", err)
	}
	if err := journal.RollOver(t.Context(), o.cfg, o.r); err != nil {
		t.Fatal(err)
	}
	o.check(t)
}

// refused looks at a log that is rolled over.
func (o *rolling) refused(t *testing.T) {
	t.Helper()
	if _, err := journal.Open(t.Context(), o.cfg); !errors.Is(err, journal.ErrArchiving) {
		t.Errorf("opened: %v", err)
	}
	if err := journal.Restore(t.Context(), o.cfg, 1, nil); !errors.Is(err, journal.ErrArchiving) {
		t.Errorf("restored: %v", err)
	}
	if _, err := o.j.Append(t.Context(), events.BeaconsSubject(), beacon("late")); !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("appended: %v", err)
	}
}

// A log that is not the one that was looked at is left as it is.
func TestRollOverOfAnotherLog(t *testing.T) {
	for name, change := range map[string]func(*journal.Rollover){
		"another beginning": func(r *journal.Rollover) { r.Before.Chain[0] ^= 1 },
		"another record":    func(r *journal.Rollover) { r.At.Chain[0] ^= 1 },
	} {
		o := newRolling(t, journaltest.New(t), 20, 12)
		r := o.r
		change(&r)
		var damage *journal.DamageError
		if err := journal.RollOver(t.Context(), o.cfg, r); !errors.As(err, &damage) {
			t.Errorf("%s: %v", name, err)
		}
		js, err := jetstream.New(o.env.Conn)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := js.Stream(t.Context(), journal.StreamName); err != nil || s.CachedInfo().State.Msgs != 20 {
			t.Errorf("%s: the log: %v", name, err)
		}
		if _, err := js.Stream(t.Context(), journal.NextName); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("%s: a copy: %v", name, err)
		}
	}
}
