package projections

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Key is a signing key. Values are immutable.
type Key struct {
	ID          string          `json:"kid"`
	Algorithm   string          `json:"alg"`
	Public      events.RawJSON  `json:"public"` // JWK
	Sealed      []byte          `json:"sealed"`
	CreatedAt   time.Time       `json:"createdAt"`
	NotBefore   time.Time       `json:"notBefore"`
	ActivatedAt time.Time       `json:"activatedAt,omitzero"`
	ReplacedAt  time.Time       `json:"replacedAt,omitzero"` // when a later key took over
	Created     events.Position `json:"created"`
	Ordinal     int             `json:"ordinal,omitempty"`
}

// Keys is what the log says of signing and data keys.
type Keys struct {
	byID     map[string]*Key
	active   map[string]*Key // algorithm → the key that signs
	sealing  map[string][]byte
	revision events.Position
	sealed   events.Position
}

// Published lists the keys of the JWKS, oldest first.
func (p *Keys) Published() []*Key {
	return slices.SortedFunc(maps.Values(p.byID), compareKeyCreation)
}

func compareKeyCreation(a, b *Key) int {
	return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.Ordinal, b.Ordinal))
}

// Get finds a published key.
func (p *Keys) Get(kid string) (*Key, bool) {
	k, ok := p.byID[kid]
	return k, ok
}

// Active returns the key that signs for an algorithm.
func (p *Keys) Active(alg string) (*Key, bool) {
	k, ok := p.active[alg]
	return k, ok
}

// Revision is the last record that changed the set of signing keys: the guard
// of a change to it.
func (p *Keys) Revision() events.Position { return p.revision }

// Sealing returns the wrapped data keys by id; the map must not be changed.
func (p *Keys) Sealing() map[string][]byte { return p.sealing }

// SealingRevision guards the creation of data keys.
func (p *Keys) SealingRevision() events.Position { return p.sealed }

func newKeys() *Keys {
	return &Keys{byID: map[string]*Key{}, active: map[string]*Key{}, sealing: map[string][]byte{}}
}

func (p *Keys) create(at at, d *events.KeyCreated) {
	p.revision = at.position
	if _, taken := p.byID[d.ID]; taken {
		return
	}
	p.byID[d.ID] = &Key{
		ID: d.ID, Algorithm: d.Algorithm, Public: d.Public, Sealed: d.Sealed,
		CreatedAt: at.time, NotBefore: d.NotBefore, Created: at.position, Ordinal: at.ordinal,
	}
}

func (p *Keys) activate(at at, d *events.KeyActivated) {
	p.revision = at.position
	k, ok := p.byID[d.ID]
	if !ok {
		return
	}
	if former, ok := p.active[k.Algorithm]; ok && former.ID != k.ID {
		f := *former
		f.ReplacedAt = at.time
		p.byID[f.ID] = &f
	}
	n := *k
	n.ActivatedAt, n.ReplacedAt = at.time, time.Time{}
	p.byID[n.ID], p.active[n.Algorithm] = &n, &n
}

// retire takes a key out, unless it is the one that signs: the JWKS is never
// left without a key in use.
func (p *Keys) retire(at at, d *events.KeyRetired) {
	p.revision = at.position
	if k, ok := p.byID[d.ID]; ok && p.active[k.Algorithm] != k {
		delete(p.byID, d.ID)
	}
}

func (p *Keys) addSealing(at at, d *events.SealingKeyCreated) {
	p.sealed = at.position
	if _, taken := p.sealing[d.ID]; !taken {
		p.sealing[d.ID] = d.Wrapped
	}
}
