package notary_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/projections/notary"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits that a healthy machine ends in milliseconds.
const patience = 30 * time.Second

// replica is a follower with its notary, on a log.
type replica struct {
	t      testing.TB
	j      *journal.Journal
	dir    string
	f      *follow.Follower
	n      *notary.Notary
	leaves []tree.Hash // of what was written, by the test's own reckoning
	stop   func()
	base   []byte // of the log; nil: it begins with its first record
}

func newReplica(t testing.TB, env *journaltest.Env) *replica {
	return &replica{t: t, j: env.Open(), dir: t.TempDir()}
}

func newSigner(t testing.TB) *tree.Signer {
	t.Helper()
	s, err := tree.NewSigner("log.example/oauth/log", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start follows the log and lets the notary run, as a server does.
func (r *replica) start() {
	r.t.Helper()
	var err error
	cfg := follow.Config{Journal: r.j, Dir: r.dir, Key: make([]byte, 32), Single: true, OpenBase: r.openBase, OnApply: []func(*journal.Record){func(rec *journal.Record) {
		if n := r.n; n != nil {
			n.Applied(rec)
		}
	}}}
	if r.n, err = notary.New(notary.Config{
		Read: r.j.Read, Base: r.layBase, At: func() journal.Cursor { return r.f.At() }, Dir: filepath.Join(r.dir, "tree"), Signer: newSigner(r.t),
	}); err != nil {
		r.t.Fatal(err)
	}
	if r.f, err = follow.Start(r.t.Context(), cfg); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.f.WaitReady(ctx); err != nil {
		r.t.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.n.Run(life); close(done) }()
	r.stop = func() {
		r.stop = func() {}
		end()
		<-done
		closing, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(r.f.Close(closing), r.n.Close()); err != nil {
			r.t.Error(err)
		}
	}
	r.t.Cleanup(func() { r.stop() })
}

// write appends records and waits until the state shows them.
func (r *replica) write(n int) {
	r.t.Helper()
	var last events.Position
	for range n {
		e := &events.Event{ID: fmt.Sprintf("e_%d", len(r.leaves)), Time: time.Unix(1e9, 0).UTC(), Data: &events.BeaconSent{Nonce: fmt.Sprint(len(r.leaves))}}
		var err error
		if last, err = r.j.Append(r.t.Context(), events.BeaconsSubject(), e); err != nil {
			r.t.Fatal(err)
		}
		r.read(last)
	}
	if r.f != nil {
		if err := r.f.WaitFor(r.t.Context(), last); err != nil {
			r.t.Fatal(err)
		}
	}
}

// read takes the leaf of a record from the log.
func (r *replica) read(position events.Position) {
	r.t.Helper()
	if err := r.j.Read(r.t.Context(), journal.Cursor{Position: position - 1}, position, func(rec *journal.Record) error {
		r.leaves = append(r.leaves, tree.Leaf(rec.Subject, rec.Payload))
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
}

// head asks until the notary has a head, and compares it.
func (r *replica) head() tree.Head {
	r.t.Helper()
	var head tree.Head
	r.eventually("the tree has reached the log", func() (err error) {
		head, err = r.n.Head(r.t.Context())
		return err
	})
	var edge tree.Edge
	for _, leaf := range r.leaves {
		if err := edge.Append(leaf); err != nil {
			r.t.Fatal(err)
		}
	}
	if want, err := edge.Head(); err != nil || head != want {
		r.t.Fatalf("the notary has %v, want %v (%v)", head, want, err)
	}
	return head
}

// eventually repeats what may be unavailable for a while.
func (r *replica) eventually(what string, try func() error) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if !errors.Is(err, notary.ErrUnavailable) || time.Now().After(deadline) {
			r.t.Fatalf("%s: %v", what, err)
		}
	}
}

// The tree has every record that the state shows, through restarts with and
// without a saved tree, and from a log that was there before.
func TestTreeFollowsTheState(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.write(3) // before there was a notary
	r.start()
	r.head()
	for range 5 {
		r.write(7)
		r.head()
	}
	r.stop()
	r.start() // from a snapshot, with nothing to apply
	saved := r.head()
	r.write(300)
	grown := r.head()
	p, err := r.n.Consistency(t.Context(), saved.Size, grown.Size)
	if err != nil || p.From != saved || p.To != grown || p.Check() != nil {
		t.Errorf("%+v, %v", p, err)
	}
	r.stop()
	if err := os.RemoveAll(filepath.Join(r.dir, "tree")); err != nil {
		t.Fatal(err)
	}
	r.start() // from a snapshot, without the tree
	r.write(1)
	r.head()
}

// Proofs by way of the notary hold, and what the log has not reached has none.
func TestProofs(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.start()
	r.write(20)
	head := r.head()
	for position := events.Position(1); position <= 20; position++ {
		p, err := r.n.Inclusion(t.Context(), position, head.Size)
		if err != nil || p.Head != head || p.Leaf != r.leaves[position-1] || p.Check(position) != nil {
			t.Errorf("position %d: %+v, %v", position, p, err)
		}
	}
	for _, err := range []error{
		second(r.n.Inclusion(t.Context(), 21, 21)), second(r.n.Inclusion(t.Context(), 0, 20)), second(r.n.Inclusion(t.Context(), 20, 19)),
		second(r.n.Consistency(t.Context(), 0, 20)), second(r.n.Consistency(t.Context(), 1, 21)), second(r.n.Consistency(t.Context(), 20, 19)),
	} {
		if !errors.Is(err, tree.ErrBeyond) {
			t.Errorf("%v", err)
		}
	}
	text, err := r.n.Sign(head)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := tree.OpenCheckpoint(text, r.n.VerifierKey()); err != nil || c.Head != head {
		t.Errorf("%+v, %v", c, err)
	}
}

func second[T any](_ T, err error) error { return err }

// A tree whose files were damaged is made anew; nothing wrong is told
// meanwhile.
func TestDamagedTreeIsMadeAnew(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.start()
	r.write(400)
	head := r.head()
	flip(t, filepath.Join(r.dir, "tree", "level-0"))
	r.eventually("the proof is right again", func() error {
		p, err := r.n.Inclusion(t.Context(), 5, head.Size)
		if err == nil && (p.Head != head || p.Leaf != r.leaves[4] || p.Check(5) != nil) {
			t.Errorf("a wrong proof: %+v", p)
		}
		return err
	})
	r.write(3)
	r.head()

	r.stop()
	flip(t, filepath.Join(r.dir, "tree", "edge"))
	r.start()
	r.write(1)
	r.head()
}

func flip(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil {
		data[len(data)/2] ^= 1
		err = os.WriteFile(name, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A notary does not sign what contradicts what it has signed: a log that was
// exchanged for another one, shorter, as long or longer than its tree.
func TestNothingIsSignedOfAnotherLog(t *testing.T) {
	for _, records := range []int{3, 10, 20} {
		t.Run(fmt.Sprint(records), func(t *testing.T) {
			r := newReplica(t, journaltest.New(t))
			r.start()
			r.write(10)
			r.head()
			r.stop()

			other := newReplica(t, journaltest.New(t))
			other.write(records)
			if err := os.CopyFS(filepath.Join(other.dir, "tree"), os.DirFS(filepath.Join(r.dir, "tree"))); err != nil {
				t.Fatal(err)
			}
			other.start()
			_, err := other.n.Head(t.Context())
			for deadline := time.Now().Add(patience); !errors.Is(err, notary.ErrForked); _, err = other.n.Head(t.Context()) {
				if err == nil || time.Now().After(deadline) {
					t.Fatalf("the notary says %v", err)
				}
			}
		})
	}
}
