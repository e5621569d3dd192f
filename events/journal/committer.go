package journal

import (
	"fmt"
	"runtime"
	"slices"
)

// A queue holds the calls that wait for one subject's committer. Its lock is
// Journal.mu. The committer is a goroutine that exists while there is work, so
// a subject that is idle costs nothing.
type queue struct {
	waiting []*entry
	events  int
	bytes   int
}

// enqueue adds a call to its subject's queue and starts a committer if none
// runs.
func (j *Journal) enqueue(subject string, e *entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
	}
	q := j.queues[subject]
	if q == nil {
		q = &queue{}
		j.queues[subject] = q
		j.writers.Go(func() { j.commit(subject) })
	}
	if q.events+len(e.encoded) > maxQueuedEvents && q.events > 0 || q.bytes+e.bytes > maxQueuedBytes {
		return fmt.Errorf("%w: %w", ErrUnavailable, errQueueFull)
	}
	e.queued = true
	q.waiting = append(q.waiting, e)
	q.events += len(e.encoded)
	q.bytes += e.bytes
	return nil
}

// withdraw takes a call out of its queue. It reports false when the call is
// already part of a page.
func (j *Journal) withdraw(subject string, e *entry) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !e.queued {
		return false
	}
	q, count := j.queues[subject], len(e.encoded)
	e.queued, e.encoded = false, nil
	q.events -= count
	q.bytes -= e.bytes
	return true
}

// take removes the calls of the next page, oldest first. Without any it ends
// the committer.
func (j *Journal) take(subject string) []*entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	q := j.queues[subject]
	limit := min(maxPageBytes, j.maxPayload) - pageOverhead
	var page []*entry
	count, size, n := 0, 0, 0
	for _, e := range q.waiting {
		if e.queued {
			if len(page) > 0 && (count+len(e.encoded) > maxPageEvents || size+e.bytes > limit) {
				break
			}
			page = append(page, e)
			count += len(e.encoded)
			size += e.bytes
			e.queued = false
		}
		n++
	}
	q.waiting = slices.Delete(q.waiting, 0, n)
	q.events -= count
	q.bytes -= size
	if len(page) == 0 {
		delete(j.queues, subject)
	}
	return page
}

// commit is the committer of a subject.
func (j *Journal) commit(subject string) {
	for {
		// Whoever can run now does so first: under load, those are the next
		// calls for this page. A lone caller is not held up by it.
		runtime.Gosched()
		entries := j.take(subject)
		if entries == nil {
			return
		}
		pos, err := j.write(j.life, j.page(subject, entries...))
		for _, e := range entries {
			e.done <- outcome{pos, err}
		}
	}
}
