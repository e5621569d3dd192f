package sign

import (
	"bytes"
	"encoding/json"
	"log/slog"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// keySet is the state's key set at one revision. The values are immutable.
type keySet struct {
	revision  events.Position
	published []*projections.Key
	active    map[string]*projections.Key
}

func readKeys(keys *projections.Keys) keySet {
	set := keySet{revision: keys.Revision(), published: keys.Published(), active: map[string]*projections.Key{}}
	for alg := range algorithms {
		if k, ok := keys.Active(alg); ok {
			set.active[alg] = k
		}
	}
	return set
}

// ring is a key set made ready for use. It is immutable, but for what its keys
// open and cache by themselves.
type ring struct {
	revision events.Position
	byID     map[string]*key
	active   map[string]*key
	jwks     []byte
}

// newRing takes over from the former ring, which may be nil, what is already
// open. A key that cannot be used is logged and left out: it neither signs nor
// verifies, and the other keys go on.
func newRing(set keySet, former *ring, log *slog.Logger) *ring {
	r := &ring{revision: set.revision, byID: map[string]*key{}, active: map[string]*key{}}
	var published []json.RawMessage
	for _, p := range set.published {
		k := former.reuse(p)
		if k == nil {
			var err error
			if k, err = newKey(p); err != nil {
				log.Error("signing key left out", "kid", p.ID, "alg", p.Algorithm, "error", err)
				continue
			}
		}
		r.byID[k.id] = k
		published = append(published, k.jwk)
	}
	for alg, p := range set.active {
		if k := r.byID[p.ID]; k != nil && k.alg.name == alg {
			r.active[alg] = k
		}
	}
	if len(published) > 0 {
		r.jwks = renderSet(published)
	}
	return r
}

// reuse returns the key of the former ring unless it was replaced since, for
// then its private half must go.
func (r *ring) reuse(p *projections.Key) *key {
	if r == nil || !p.ReplacedAt.IsZero() {
		return nil
	}
	return r.byID[p.ID]
}

func renderSet(keys []json.RawMessage) []byte {
	b := bytes.NewBufferString(`{"keys":[`)
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(k)
	}
	b.WriteString("]}")
	return b.Bytes()
}
