package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/replay"
)

// verifyLog: the verification of a log of issuances, as grantlog verify does it
// once the log is open: all of it, and without events and state.
func verifyLog(ctx context.Context, r *run) (result, error) {
	l, err := r.writtenLog(ctx)
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(l.dir)
	var whole, records, checked []cost
	var report replay.Report
	verify := func(o replay.Options) func(context.Context, *nats.Conn, *journal.Journal) error {
		return func(ctx context.Context, _ *nats.Conn, j *journal.Journal) (err error) {
			report, err = replay.Verify(ctx, j, o)
			return err
		}
	}
	for round := range r.Rounds {
		for _, step := range []struct {
			read func(context.Context, *nats.Conn, *journal.Journal) error
			cost *[]cost
		}{{l.readChecked, &checked}, {verify(replay.Options{Records: true}), &records}, {verify(replay.Options{}), &whole}} {
			c, err := l.time(ctx, step.read)
			if err != nil {
				return result{}, err
			}
			*step.cost = append(*step.cost, c)
		}
		r.progress("verify: round %d of %d: %v", round+1, r.Rounds, whole[round].took)
	}
	rate := func(c *cost) float64 { return float64(report.Bytes) / 1e6 / c.took.Seconds() }
	return result{Figures: []figure{
		{fmt.Sprintf("verified of a log of %d issuances, with events and state", r.Issuances), median(whole, rate), "MB/s"},
		{"CPU time of that, server and collector included", median(whole, func(c *cost) float64 { return c.cpu.Seconds() }), "s"},
		{"verified without them: records, chain and tree", median(records, rate), "MB/s"},
		{"a read with the checks of every reader", median(checked, rate), "MB/s"},
		{"issuances in a page", float64(r.Issuances) / float64(l.pages), ""},
	}}, nil
}

// proofs is how many of each kind are made.
const proofs = 1000

// proveRecords: proofs out of a tree on the disk, of records and for sizes all
// over it.
func proveRecords(ctx context.Context, r *run) (result, error) {
	dir, err := r.dataDir()
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	t, err := tree.Open(dir, "localhost/oauth/log")
	if err != nil {
		return result{}, err
	}
	defer t.Close()
	var leaf tree.Hash
	for range r.Issuances {
		if ctx.Err() != nil {
			return result{}, ctx.Err()
		}
		rand.Read(leaf[:])
		if err := t.Append(leaf, events.Chain(leaf)); err != nil {
			return result{}, err
		}
	}
	size := int64(r.Issuances)
	inclusion, err := each(func(n int64) error { _, err := t.Inclusion(events.Position(n), size); return err }, size)
	if err != nil {
		return result{}, err
	}
	consistency, err := each(func(n int64) error { _, err := t.Consistency(n, size); return err }, size)
	if err != nil {
		return result{}, err
	}
	return result{Figures: []figure{
		{fmt.Sprintf("to prove a record of %d", size), milliseconds(inclusion), "ms"},
		{"to prove that a log only grew", milliseconds(consistency), "ms"},
	}}, nil
}

// each does something with numbers from 1 to most, far from each other, and
// returns what it takes for one.
func each(do func(n int64) error, most int64) (time.Duration, error) {
	began := time.Now()
	for i := range int64(proofs) {
		if err := do(i*7919%most + 1); err != nil {
			return 0, err
		}
	}
	return time.Since(began) / proofs, nil
}
