package journal

// MaxQueuedEvents is the cap of one subject's queue.
const MaxQueuedEvents = maxQueuedEvents

// Queued counts the calls that wait for the subject's committer.
func (j *Journal) Queued(subject string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	q := j.queues[subject]
	if q == nil {
		return 0
	}
	n := 0
	for _, e := range q.waiting {
		if e.queued {
			n++
		}
	}
	return n
}

// Committers counts the subjects whose committer runs.
func (j *Journal) Committers() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.queues)
}

// StreamConfig is how Open creates the stream.
var StreamConfig = streamConfig
