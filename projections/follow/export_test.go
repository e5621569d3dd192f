package follow

// Waiting counts the calls of WaitFor that wait.
func Waiting(f *Follower) (n int) {
	f.waiters.mu.Lock()
	defer f.waiters.mu.Unlock()
	for _, w := range f.waiters.at {
		n += w.count
	}
	return n
}
