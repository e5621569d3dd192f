package replay

import (
	"context"
	"sync"

	"github.com/grantlog/grantlog/events/journal"
)

// Records go from stage to stage in batches of so many, or of so many bytes.
// There are a few batches, which are used again, and no more.
const (
	batchRecords = 64
	batchBytes   = 256 << 10
	batches      = 6
)

type batch struct {
	records [batchRecords]journal.Record
	n       int // records that count
	bytes   int
}

// run reads the log through the stages, each in a goroutine of its own. It
// returns what failed first in the order of the log, which is what the last
// stage has to say, or else the one before.
func (v *verification) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	free, raw, entered := make(chan *batch, batches), make(chan *batch, batches), make(chan *batch, batches)
	for range batches {
		free <- &batch{}
	}
	var stages sync.WaitGroup
	var hashed, folded error
	stages.Go(func() {
		defer close(entered)
		hashed = pass(raw, entered, v.hash, cancel)
	})
	stages.Go(func() { folded = pass(entered, free, v.fold, cancel) })

	var filling *batch
	read := v.log.Read(ctx, v.from, v.last, func(r *journal.Record) error {
		if err := v.read(r); err != nil {
			return err
		}
		if filling == nil {
			select {
			case filling = <-free:
				filling.n, filling.bytes = 0, 0
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		filling.records[filling.n] = *r
		filling.n++
		if filling.bytes += r.Bytes; filling.n == batchRecords || filling.bytes >= batchBytes {
			raw <- filling
			filling = nil
		}
		return nil
	})
	if filling != nil {
		raw <- filling
	}
	close(raw)
	stages.Wait()
	return firstError(folded, hashed, read)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pass does the work of a stage. After an error it goes on taking batches, so
// that nobody waits for it, and passes on what was good.
func pass(in <-chan *batch, out chan<- *batch, work func(*journal.Record) error, cancel context.CancelCauseFunc) (err error) {
	for b := range in {
		good := 0
		for err == nil && good < b.n {
			if err = work(&b.records[good]); err != nil {
				cancel(err)
				break
			}
			good++
		}
		b.n = good
		out <- b
	}
	return err
}
