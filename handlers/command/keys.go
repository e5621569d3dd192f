package command

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// KeyPolicy says when signing keys come and go. A key is published first, signs
// once nobody can hold a JWKS without it, is replaced by its successor, and
// leaves the JWKS when nothing that it signed can still count.
type KeyPolicy struct {
	Algorithms    []string      // JWS algorithms that always have a key, the first one first
	Cache         time.Duration // how long a fetched JWKS may be used
	Lag           time.Duration // how late a replica may show what the log holds, or its clock be wrong
	Rotation      time.Duration // age of a key at which its successor is published; 0: on request only
	TokenLifetime time.Duration // the longest lifetime of a token
}

// KeyWork is what a policy asks for at a moment.
type KeyWork struct {
	First    []string  // algorithms without a key
	Rotate   []string  // algorithms whose key is old
	Activate []string  // kids of published keys whose time has come
	Retire   []string  // kids of replaced keys that nothing counts on any more
	Next     time.Time // when more work falls due by itself; zero: never
}

// Due says what there is to do.
func (p KeyPolicy) Due(keys *projections.Keys, now time.Time) KeyWork {
	var w KeyWork
	for _, alg := range p.Algorithms {
		active, ok := keys.Active(alg)
		switch {
		case !ok:
			w.First = append(w.First, alg)
		case p.Rotation > 0 && pendingKey(keys, alg) == nil:
			if w.falls(now, active.CreatedAt.Add(p.Rotation)) {
				w.Rotate = append(w.Rotate, alg)
			}
		}
	}
	activated := map[string]bool{} // one takes over per algorithm and decision
	for _, k := range keys.Published() {
		switch {
		case k.ActivatedAt.IsZero():
			if w.falls(now, k.NotBefore) && !activated[k.Algorithm] {
				activated[k.Algorithm] = true
				w.Activate = append(w.Activate, k.ID)
			}
		case !k.ReplacedAt.IsZero():
			if w.falls(now, k.ReplacedAt.Add(p.TokenLifetime+p.publication())) {
				w.Retire = append(w.Retire, k.ID)
			}
		}
	}
	return w
}

// falls reports whether t has come, and else keeps it if it is the next to.
func (w *KeyWork) falls(now, t time.Time) bool {
	if !now.Before(t) {
		return true
	}
	if w.Next.IsZero() || t.Before(w.Next) {
		w.Next = t
	}
	return false
}

// publication is how long a new key is in the JWKS before everybody has it.
func (p KeyPolicy) publication() time.Duration { return p.Cache + p.Lag }

// TurnKeys activates and retires the keys whose time has come. ErrUnchanged:
// none is left.
func (p KeyPolicy) TurnKeys(s *projections.State, now time.Time) (Decision, error) {
	w := p.Due(s.Keys, now)
	var evs []events.Data
	for _, kid := range w.Activate {
		evs = append(evs, &events.KeyActivated{ID: kid})
	}
	for _, kid := range w.Retire {
		evs = append(evs, &events.KeyRetired{ID: kid})
	}
	return changeKeys(s, evs)
}

// AddKeys publishes those of the freshly made keys that the policy asks for.
// The first key of an algorithm signs at once, for nobody can hold a JWKS in
// which an earlier one is in use; every other waits until all caches have it.
// ErrUnchanged: none is needed any more.
func (p KeyPolicy) AddKeys(s *projections.State, now time.Time, made []*events.KeyCreated) (Decision, error) {
	w := p.Due(s.Keys, now)
	return p.publish(s, now, made, func(alg string) bool {
		return slices.Contains(w.First, alg) || slices.Contains(w.Rotate, alg)
	})
}

// RotateKeys publishes freshly made keys on a request for alg, or for all if it
// is empty, whatever the age of the keys in use. An algorithm whose successor
// waits already is left alone; if that is all of them, it is a conflict.
func (p KeyPolicy) RotateKeys(s *projections.State, now time.Time, alg string, made []*events.KeyCreated) (Decision, error) {
	algs, err := p.Rotatable(s.Keys, alg)
	if err != nil {
		return Decision{}, err
	}
	return p.publish(s, now, made, func(alg string) bool { return slices.Contains(algs, alg) })
}

// Rotatable says for which algorithms a request needs new keys: the one it
// names, or all that have a key.
func (p KeyPolicy) Rotatable(keys *projections.Keys, alg string) ([]string, error) {
	if alg != "" {
		if !slices.Contains(p.Algorithms, alg) {
			return nil, Invalid("The alg must be one of %s", strings.Join(p.Algorithms, ", "))
		}
		if k := pendingKey(keys, alg); k != nil {
			return nil, &Error{KindConflict, fmt.Sprintf("A new %s key is already published and signs from %s", alg, k.NotBefore.Format(time.RFC3339))}
		}
		return []string{alg}, nil
	}
	var algs []string
	for _, a := range p.Algorithms {
		if _, ok := keys.Active(a); ok && pendingKey(keys, a) == nil {
			algs = append(algs, a)
		}
	}
	if len(algs) == 0 {
		return nil, &Error{KindConflict, "New keys are already published and sign soon"}
	}
	return algs, nil
}

func (p KeyPolicy) publish(s *projections.State, now time.Time, made []*events.KeyCreated, wanted func(alg string) bool) (Decision, error) {
	now = now.UTC().Truncate(time.Microsecond)
	var evs []events.Data
	for i, k := range made {
		twice := slices.ContainsFunc(made[:i], func(o *events.KeyCreated) bool { return o.Algorithm == k.Algorithm })
		if twice || !wanted(k.Algorithm) {
			continue
		}
		created := *k
		created.NotBefore = now
		evs = append(evs, &created)
		if _, ok := s.Keys.Active(k.Algorithm); ok {
			created.NotBefore = now.Add(p.publication())
		} else {
			evs = append(evs, &events.KeyActivated{ID: k.ID})
		}
	}
	return changeKeys(s, evs)
}

// FirstDataKey records the data key that seals signing keys. ErrUnchanged: the
// log holds one.
func FirstDataKey(s *projections.State, made *events.SealingKeyCreated) (Decision, error) {
	if len(s.Keys.Sealing()) > 0 {
		return Decision{}, ErrUnchanged
	}
	revision := s.Keys.SealingRevision()
	return Decision{Subject: events.SealingSubject(), Events: []events.Data{made}, Guard: &revision}, nil
}

func changeKeys(s *projections.State, evs []events.Data) (Decision, error) {
	if len(evs) == 0 {
		return Decision{}, ErrUnchanged
	}
	revision := s.Keys.Revision()
	return Decision{Subject: events.KeysSubject(), Events: evs, Guard: &revision}, nil
}

// pendingKey returns the algorithm's published key that has yet to take over.
func pendingKey(keys *projections.Keys, alg string) *projections.Key {
	for _, k := range keys.Published() {
		if k.Algorithm == alg && k.ActivatedAt.IsZero() {
			return k
		}
	}
	return nil
}
