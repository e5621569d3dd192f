package projections

import (
	"cmp"
	"io"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Decode restores a state that Frozen.Encode wrote; it goes on folding exactly
// as the original would. It reads to the end of r. Every error wraps
// ErrSnapshot; what it allocates is bounded by what it could read.
//
// The form is checked, not that it is a true account of a log: whoever keeps
// snapshots proves them by their hash.
func Decode(r io.Reader) (*State, error) {
	in, err := newSectionReader(r)
	if err != nil {
		return nil, err
	}
	d := decoder{state: New()}
	for {
		kind, body, err := in.next()
		if err != nil {
			return nil, err
		}
		if (kind == sectionHead) == d.headed {
			return nil, malformed("not exactly one head")
		}
		if kind == sectionEnd {
			if err := cmp.Or(in.end(body), d.order()); err != nil {
				return nil, err
			}
			return d.state, nil
		}
		if err := d.section(kind, body); err != nil {
			return nil, err
		}
	}
}

type decoder struct {
	state  *State
	headed bool
	tokens tokenReader
}

func (d *decoder) section(kind byte, body []byte) error {
	s := d.state
	switch kind {
	case sectionHead:
		d.headed = true
		return d.head(body)
	case sectionOrganization:
		return restore(body, s.Organizations.restore)
	case sectionApplication:
		return restore(body, s.Applications.restore)
	case sectionService:
		return restore(body, s.Services.restore)
	case sectionKey:
		return restore(body, s.Keys.restore)
	case sectionKeyring:
		return restore(body, s.Keys.restoreRing)
	case sectionTokens:
		return d.tokens.section(s.Tokens, body)
	case sectionUsage:
		return restoreCounters(body, s.Usage.applications)
	case sectionOrganizationUsage:
		return restoreCounters(body, s.Usage.organizations)
	case sectionReport:
		return restore(body, s.Usage.restoreReport)
	case sectionUser:
		return restore(body, s.Users.restore)
	case sectionErasure:
		return restore(body, s.Users.restoreErasure)
	case sectionUserRevisions:
		return restore(body, s.Users.restoreRevisions)
	case sectionLogin:
		return restore(body, s.Logins.restore)
	case sectionProvider:
		return restore(body, s.Connections.restoreProvider)
	case sectionAuthentication:
		return restore(body, s.Connections.restore)
	case sectionRefreshFamily:
		return restore(body, s.Refreshes.restore)
	case sectionRequest:
		return restore(body, s.Requests.restore)
	case sectionWebhook:
		return restore(body, s.Webhooks.restore)
	case sectionEnded:
		return restore(body, s.Webhooks.restoreEnded)
	case sectionEpoch:
		return restore(body, s.Epochs.restore)
	case sectionArchive:
		return restore(body, s.Archives.restore)
	}
	return malformed("section %d", kind)
}

func (d *decoder) head(body []byte) error {
	s, in := d.state, fields{rest: body}
	s.Position = events.Position(in.uvarint())
	copy(s.Chain[:], in.bytes(len(s.Chain)))
	sec, nsec := in.varint(), in.uvarint()
	if in.bad || len(in.rest) > 0 || nsec >= 1e9 {
		return malformed("head")
	}
	if t := time.Unix(sec, int64(nsec)).UTC(); !t.Equal(s.Time) {
		s.Time = t
	}
	s.Tokens.expire(s.Time)
	s.Refreshes.sweep(s.Time)
	s.Usage.sweep(s.Time)
	s.Logins.sweep(s.Time)
	s.Requests.sweep(s.Time)
	d.tokens.limit = s.Position
	return nil
}

// order puts what is listed by its creation in that order, which no two share.
func (d *decoder) order() error {
	s := d.state
	for _, list := range []struct {
		kind  string
		order func() bool
	}{
		{"applications", s.Applications.order},
		{"services", s.Services.order},
		{"users", s.Users.order},
		{"authentications", s.Connections.order},
		{"webhooks", s.Webhooks.order},
	} {
		if !list.order() {
			return malformed("two %s created at one place", list.kind)
		}
	}
	if tied(d.state.Keys.Published(), compareKeyCreation) {
		return malformed("two keys created at one place")
	}
	return nil
}

func tied[T any](sorted []T, compare func(a, b T) int) bool {
	for i := range len(sorted) - 1 {
		if compare(sorted[i], sorted[i+1]) == 0 {
			return true
		}
	}
	return false
}

func restore[T any](body []byte, put func(*T) bool) error {
	v, err := decodeJSON[T](body)
	if err != nil {
		return err
	}
	if !put(v) {
		return malformed("%T twice or out of place", v)
	}
	return nil
}

func (p *Organizations) restore(o *Organization) bool {
	_, taken := p.byID[o.ID]
	o.routes = o.compile()
	p.byID[o.ID] = o
	return !taken
}

func (p *Applications) restore(a *Application) bool {
	_, taken := p.byID[a.ID]
	_, owned := p.byClient[a.ClientID]
	p.put(a)
	p.creations.add(a)
	return !taken && !owned
}

func (p *Keys) restore(k *Key) bool {
	_, taken := p.byID[k.ID]
	p.byID[k.ID] = k
	return !taken
}

// keyring is what Keys knows beside the published keys.
type keyring struct {
	Active          map[string]string `json:"active,omitempty"` // algorithm → kid
	Sealing         map[string][]byte `json:"sealing,omitempty"`
	Revision        events.Position   `json:"revision,omitempty"`
	SealingRevision events.Position   `json:"sealingRevision,omitempty"`
}

func (p *Keys) ring() keyring {
	r := keyring{
		Active: map[string]string{}, Sealing: p.sealing,
		Revision: p.revision, SealingRevision: p.sealed,
	}
	for alg, k := range p.active {
		r.Active[alg] = k.ID
	}
	return r
}

func (p *Keys) restoreRing(r *keyring) bool {
	if p.revision != 0 || p.sealed != 0 || len(p.active) > 0 || len(p.sealing) > 0 {
		return false
	}
	p.revision, p.sealed = r.Revision, r.SealingRevision
	if r.Sealing != nil {
		p.sealing = r.Sealing
	}
	for alg, kid := range r.Active {
		k, ok := p.byID[kid]
		if !ok || k.Algorithm != alg {
			return false
		}
		p.active[alg] = k
	}
	return true
}
