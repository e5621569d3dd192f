// Package sign owns the signing keys in the clear: it turns claims into
// compact JWS (RFC 7515), checks such tokens, makes keys and publishes the
// public ones. Private keys never leave it; it hands out signatures.
//
// Signer and Vault are safe for concurrent use. What they know of keys follows
// the state that Config.View shows: every call looks at the revision of the
// key set first, so a key signs from the moment the state calls it active and
// is forgotten with the first call after the state dropped or replaced it.
package sign

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// ErrNoKey is returned by Sign for an algorithm without an active key.
var ErrNoKey = errors.New("sign: no active key for the algorithm")

// Unsealer opens what was sealed for a record; see seal.Sealer.
type Unsealer interface {
	Unseal(record string, sealed []byte) ([]byte, error)
}

// Config is what a Signer works with.
type Config struct {
	View     func(func(*projections.State)) // required: reads the replica's state
	Unsealer Unsealer                       // required: opens private keys
	Logger   *slog.Logger                   // nil: nothing is logged
}

// Signer signs and verifies with the keys that the state shows.
type Signer struct {
	cfg Config

	building sync.Mutex // held while a new ring is made
	ring     atomic.Pointer[ring]
}

// New returns a Signer.
func New(cfg Config) *Signer {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Signer{cfg: cfg}
}

// Sign makes a compact JWS of claims with the active key of alg and says which
// key it was. typ becomes the header's "typ". The errors are ErrNoKey and, for
// a key that cannot be opened, those of the Unsealer.
func (s *Signer) Sign(alg, typ string, claims []byte) (token, kid string, err error) {
	k := s.keys().active[alg]
	if k == nil {
		return "", "", fmt.Errorf("%w: %s", ErrNoKey, alg)
	}
	token, err = k.sign(s.cfg.Unsealer, typ, claims)
	return token, k.id, err
}

// sign assembles the token by hand: this is the hot path.
func (k *key) sign(u Unsealer, typ string, claims []byte) (string, error) {
	sign, err := k.open(u)
	if err != nil {
		return "", fmt.Errorf("sign: key %s: %w", k.id, err)
	}
	header := k.header(typ)
	enc := base64.RawURLEncoding
	jws := make([]byte, 0, len(header)+enc.EncodedLen(len(claims))+1+enc.EncodedLen(k.alg.signature))
	jws = append(jws, header...)
	jws = enc.AppendEncode(jws, claims)
	signature, err := sign(jws)
	if err != nil {
		return "", fmt.Errorf("sign: key %s: %w", k.id, err)
	}
	jws = append(jws, '.')
	jws = enc.AppendEncode(jws, signature)
	return string(jws), nil
}

// JWKS returns the published keys as a JWK set (RFC 7517 section 5), those not
// yet in use included, oldest first. It is nil as long as the state shows no
// key. The caller must not change it.
func (s *Signer) JWKS() []byte { return s.keys().jwks }

// keys returns the ring of the state's current key set.
func (s *Signer) keys() *ring {
	var revision events.Position
	s.cfg.View(func(st *projections.State) { revision = st.Keys.Revision() })
	if r := s.ring.Load(); r != nil && r.revision == revision {
		return r
	}
	return s.rebuild()
}

// rebuild makes the ring of the state as it is now. It reads the state under
// the lock, so a later ring is never replaced by an earlier one.
func (s *Signer) rebuild() *ring {
	s.building.Lock()
	defer s.building.Unlock()
	var set keySet
	s.cfg.View(func(st *projections.State) { set = readKeys(st.Keys) })
	former := s.ring.Load()
	if former != nil && former.revision == set.revision {
		return former
	}
	r := newRing(set, former, s.cfg.Logger)
	s.ring.Store(r)
	return r
}
