package keys

import "slices"

// A flight is the making of an algorithm's first key, for all who wait for it.
// err is set before done is closed.
type flight struct {
	done chan struct{}
	err  error
}

// want joins the flight of an algorithm, or starts it.
func (k *Keeper) want(alg string) *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.wanted[alg]
	if !ok {
		f = &flight{done: make(chan struct{})}
		k.wanted[alg] = f
	}
	return f
}

// land ends an algorithm's flight, if it has one.
func (k *Keeper) land(alg string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f, ok := k.wanted[alg]; ok {
		f.err = err
		close(f.done)
		delete(k.wanted, alg)
	}
}

// landAll ends the flights of the algorithms that have a key: all but those
// that still lack theirs.
func (k *Keeper) landAll(lacking []string) {
	for _, alg := range k.cfg.Policy.Algorithms {
		if !slices.Contains(lacking, alg) {
			k.land(alg, nil)
		}
	}
}

// urgent picks an algorithm that somebody waits for, else the first one.
func (k *Keeper) urgent(lacking []string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, alg := range lacking {
		if _, ok := k.wanted[alg]; ok {
			return alg
		}
	}
	return lacking[0]
}

// Wake makes Run look at the state again, soon. It does not block: a follower
// may call it for each record on events.KeysSubject.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default: // it will look anyway
	}
}
