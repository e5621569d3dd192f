package notary_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/projections/notary"
)

// goOn makes a replica of the log from a position on, on a server of its own.
func (r *replica) goOn(first events.Position) *replica {
	r.t.Helper()
	env := journaltest.New(r.t)
	last, err := r.j.Last(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	dir := r.t.TempDir()
	leaves, err := tree.Open(dir, "log.example/oauth/log")
	if err != nil {
		r.t.Fatal(err)
	}
	defer leaves.Close()
	state, previous := projections.New(), events.Chain{}
	archive := func(rec *journal.Record) error {
		i := 0
		for e, err := range rec.Events() {
			if err == nil {
				err = state.Apply(projections.Record{Position: rec.Position, Subject: rec.Subject}, i, e)
			}
			if err != nil {
				return err
			}
			i++
		}
		previous, state.Position, state.Chain = state.Chain, rec.Position, rec.Chain
		return leaves.Append(tree.Leaf(rec.Subject, rec.Payload), rec.Chain)
	}
	cfg := journal.Config{Conn: env.Conn, MACKey: journaltest.MACKey(), Replica: "r_archive"}
	if err := journal.Restore(r.t.Context(), cfg, first, func(into *journal.Restoration) error {
		return r.j.Read(r.t.Context(), journal.Cursor{}, last, func(rec *journal.Record) error {
			if rec.Position <= first {
				if err := archive(rec); err != nil {
					return err
				}
			}
			if rec.Position < first {
				return nil
			}
			return into.Put(r.t.Context(), rec)
		})
	}); err != nil {
		r.t.Fatal(err)
	}
	var base bytes.Buffer
	if err := errors.Join(leaves.Save(), follow.WriteBase(&base, make([]byte, 32), state.Freeze(), previous, dir)); err != nil {
		r.t.Fatal(err)
	}
	later := newReplica(r.t, env)
	later.leaves, later.base = slices.Clone(r.leaves), base.Bytes()
	return later
}

func (r *replica) openBase(ctx context.Context, first events.Position) (*follow.Base, error) {
	return follow.NewBase(ctx, make([]byte, 32), first, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(r.base)), nil
	})
}

func (r *replica) layBase(ctx context.Context, dir string) error {
	base, err := r.f.Base(ctx)
	if err != nil {
		return err
	}
	return base.Tree(ctx, dir)
}

// The tree of a log whose beginning was archived is that of the whole log,
// whatever the replica kept from before; and a tree of another log is found.
func TestTreeOfAnArchivedLog(t *testing.T) {
	whole := newReplica(t, journaltest.New(t))
	whole.write(600)
	r := whole.goOn(300)
	r.start() // with nothing
	head := r.head()
	p, err := r.n.Inclusion(t.Context(), 5, head.Size)
	if err != nil || p.Check(5) != nil || p.Leaf != r.leaves[4] {
		t.Errorf("the proof of an archived record: %v", err)
	}
	r.write(10)
	r.head()
	flip(t, filepath.Join(r.dir, "tree", "level-0")) // made anew from the base and the log
	r.eventually("the proof is right again", func() error {
		p, err := r.n.Inclusion(t.Context(), 5, head.Size)
		if err == nil && (p.Head != head || p.Check(5) != nil) {
			t.Errorf("a wrong proof: %+v", p)
		}
		return err
	})
	r.stop()

	behind := whole.goOn(300) // with a tree from before
	behind.tree(whole.leaves[:100])
	behind.start()
	behind.head()
	behind.stop()
	behind.start()
	behind.head()
	behind.stop()

	forked := whole.goOn(300)
	forked.tree(slices.Concat([]tree.Hash{{1}}, whole.leaves[1:100]))
	forked.start()
	_, err = forked.n.Head(t.Context())
	for deadline := time.Now().Add(patience); !errors.Is(err, notary.ErrForked); _, err = forked.n.Head(t.Context()) {
		if err == nil || time.Now().After(deadline) {
			t.Fatalf("of another log: %v", err)
		}
	}
}

// tree keeps one in the replica's directory.
func (r *replica) tree(leaves []tree.Hash) {
	r.t.Helper()
	kept, err := tree.Open(filepath.Join(r.dir, "tree"), "log.example/oauth/log")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, leaf := range leaves {
		if err := kept.Append(leaf, events.Chain{1}); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := errors.Join(kept.Save(), kept.Close()); err != nil {
		r.t.Fatal(err)
	}
}
