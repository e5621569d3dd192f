package authentications

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/projections"
)

// Sealers make keys and open them; see sign.Vault.
type Sealers interface {
	NewSealer(id string) (wrapped []byte, s *seal.Sealer, err error)
	OpenSealer(id string, wrapped []byte) (*seal.Sealer, error)
	Seal(record string, plain []byte) ([]byte, error)
	Unseal(record string, sealed []byte) ([]byte, error)
}

// safe seals the tokens of each authentication under a key of its own, which
// stands outside of the log: destroying it erases them wherever they are.
type safe struct {
	store   *erasable.Store
	sealers Sealers
}

func keyOf(id string) string    { return "authentication." + id }
func recordOf(id string) string { return "authentication/" + id }
func providerRecord(p *projections.Provider) string {
	return "provider/" + p.Organization + "/" + p.Name
}

// first makes the key of a new authentication and seals its tokens.
func (s safe) first(ctx context.Context, id string, t tokens) ([]byte, error) {
	wrapped, sealer, err := s.sealers.NewSealer(recordOf(id))
	if err != nil {
		return nil, fmt.Errorf("authentications: new key: %w", err)
	}
	if err := s.store.Put(ctx, keyOf(id), wrapped); err != nil {
		return nil, fmt.Errorf("authentications: keep a key: %w", err)
	}
	return sealed(sealer, id, t)
}

// again seals new tokens under the key that is there.
func (s safe) again(ctx context.Context, id string, t tokens) ([]byte, error) {
	sealer, err := s.key(ctx, id)
	if err != nil {
		return nil, err
	}
	return sealed(sealer, id, t)
}

func sealed(sealer *seal.Sealer, id string, t tokens) ([]byte, error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return sealer.Seal(recordOf(id), plain), nil
}

func (s safe) key(ctx context.Context, id string) (*seal.Sealer, error) {
	wrapped, err := s.store.Get(ctx, keyOf(id))
	if err != nil {
		return nil, fmt.Errorf("authentications: key: %w", err)
	}
	sealer, err := s.sealers.OpenSealer(recordOf(id), wrapped)
	if err != nil {
		return nil, fmt.Errorf("authentications: key: %w", err)
	}
	return sealer, nil
}

// open returns the tokens of an authentication.
func (s safe) open(ctx context.Context, a *projections.Authentication) (t tokens, err error) {
	sealer, err := s.key(ctx, a.ID)
	if err != nil {
		return t, err
	}
	plain, err := sealer.Unseal(recordOf(a.ID), a.Tokens)
	if err == nil {
		err = json.Unmarshal(plain, &t)
	}
	t.expiresAt = a.ExpiresAt
	return t, err
}

// erase destroys the key of an authentication.
func (s safe) erase(ctx context.Context, id string) error { return s.store.Erase(ctx, keyOf(id)) }

// secret opens a provider's client secret; empty if it has none.
func (s safe) secret(p *projections.Provider) (string, error) {
	if len(p.Secret) == 0 {
		return "", nil
	}
	plain, err := s.sealers.Unseal(providerRecord(p), p.Secret)
	return string(plain), err
}

// erased reports whether a key was destroyed.
func erased(err error) bool { return errors.Is(err, erasable.ErrNotFound) }
